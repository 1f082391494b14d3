"""`musictk runs …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.compare import compare
from musictk.cli.context import session
from musictk.cli.output import short
from musictk.errors import UsageError
from musictk.training import bands
from musictk.training.log import finite
from musictk.wording import counted

if TYPE_CHECKING:
    from musictk.jobs.manage import Removal

NOT_COMPARABLE = (
    "nll is not comparable between different numbers under validation, which are other pieces or "
    "another tokenizer; to compare on the same pieces: musictk runs compare"
)
ROWS = {  # the columns shown of each
    "checkpoints": ("kind", "step", "path", "saved_at"),
    "exports": ("kind", "path", "made_at"),
    "samples": ("id", "path", "seed", "made_at"),
}


def app() -> typer.Typer:
    """The `runs` commands."""
    group = typer.Typer(no_args_is_help=True, help="List, compare and change training runs.")
    group.command("list")(list_runs)
    group.command("show")(show)
    group.command("compare")(compare)
    group.command("rename")(rename)
    group.command("note")(note)
    group.command("rm")(remove)
    return group


def list_runs(context: typer.Context) -> None:
    """List runs, oldest first, after the built-in models.

    The nll is not comparable between runs that were validated on other pieces or with another
    tokenizer: they have different numbers under validation. See runs compare for those.
    """
    from musictk import builtin
    from musictk.catalog.models import when
    from musictk.jobs.runs import status_of

    here = session(context)
    with here.catalog_if_any() as catalog:
        stored = {name: model.read_run() for name, model in builtin.MODELS.items()}
        rows = [
            _row(name, "built in", run["settings"], run["metrics"]) for name, run in stored.items()
        ]
        for run in catalog.runs() if catalog is not None else ():
            status, started = status_of(here.workspace, run), when(run.started_at, "seconds")
            rows.append(_row(run.name, status, run.settings, run.metrics, started, run.note))
    if not here.output.json:
        rows = _numbered(rows)
    shown = {key for row in rows for key in row if key != "note" or row[key]}
    here.output.table(rows, [key for key in rows[0] if key in shown])
    own = {row.get("validation") for row in rows[len(builtin.MODELS) :]} - {None}
    if len(own) > 1 and not here.output.json:
        here.output.note(NOT_COMPARABLE)


def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")],
) -> None:
    """Show one run: its settings, metrics, checkpoints, exports and samples."""
    from musictk import builtin
    from musictk.jobs.bundles import labels_of
    from musictk.jobs.runs import status_of

    here = session(context)
    if run in builtin.MODELS:
        stored = builtin.MODELS[run].read_run()
        own = {
            **{"name": run, "status": "built in", "model card": str(builtin.CARD)},
            **{key: stored[key] for key in ("settings", "metrics")},
            "labels": labels_of(None, here.workspace, run),
            **dict.fromkeys(ROWS, ()),
        }
        here.output.result(own, *_described(own))
        return
    with here.catalog() as catalog:
        row = catalog.run(run)
        metrics = {key: finite(value) for key, value in row.metrics.items()}
        found = row.to_dict() | {
            "status": status_of(here.workspace, row),
            "metrics": metrics,
            "labels": labels_of(catalog, here.workspace, run),
            "checkpoints": [row.to_dict() for row in catalog.checkpoints(run)],
            "exports": [row.to_dict() for row in catalog.exports(run)],
            "samples": [row.to_dict() for row in catalog.samples(run)],
        }
    here.output.result(found, *_described(found))


def _row(
    name: str,
    status: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    started: str | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """A run, or a built-in model, in the list."""
    return {
        "name": name,
        "status": status,
        "steps": metrics.get("step"),
        "nll": finite(metrics.get("best_nll")),
        "baseline": metrics.get("baseline"),
        "validation": _validation(settings),
        "parameters": metrics.get("parameters"),
        "started": started,
        "note": note,
    }


def _validation(settings: Mapping[str, Any]) -> str | None:
    """What a run was validated on: the name of a shard has digests of tokenizer and pieces."""
    shard = settings.get("shards", {}).get("valid")
    return PurePosixPath(shard).stem if shard else None


def _numbered(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with numbers for what the runs were validated on; without, where it is the same."""
    numbers: dict[Any, int | None] = {}
    for row in rows:
        if row["nll"] is not None and row["validation"] is not None:
            numbers.setdefault(row["validation"], len(numbers) + 1)
    if len(numbers) <= 1:
        return [{key: row[key] for key in row if key != "validation"} for row in rows]
    return [{**row, "validation": numbers.get(row["validation"])} for row in rows]


def rename(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="New name.")],
) -> None:
    """Rename a run, its folder and its exports.

    Commands find it under the new name only. Samples and fine-tuned runs refer to the new name.
    """
    from musictk.jobs import manage

    here = session(context)
    with here.catalog() as catalog:
        row = manage.rename(catalog, here.workspace, run, name)
    here.output.result(row.to_dict(), f"{run} is now {row.name}")


def note(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help='The note; "" removes it.')],
) -> None:
    """Add a note to a run, which `runs list` and `runs show` print."""
    from musictk.jobs import manage

    here = session(context)
    with here.catalog() as catalog:
        row = manage.annotate(catalog, run, text)
    here.output.result(row.to_dict(), f"{run}: {row.note or 'no note'}")


def remove(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Names of runs.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Remove runs with their checkpoints, logs and exports.

    Encoded music in shards/ is removed if no other run was trained on it. Generated files stay. A
    run that is training cannot be removed, and neither can one that another run was fine-tuned
    from, unless both are named. Without a terminal to ask on, --yes is required.
    """
    from musictk.jobs import manage

    here = session(context)
    with here.catalog() as catalog:
        planned = manage.removals(catalog, here.workspace, runs)
        if not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise UsageError(
                    "runs are removed after a confirmation, which needs a terminal", "add --yes"
                )
            for each in planned:
                here.output.note(f"to remove: {_removal(each)}")
            named = ", ".join(each.run for each in planned)
            typer.confirm(f"Remove {named}?", abort=True, err=True)
        found = manage.remove(catalog, here.workspace, runs)
    here.output.result(
        [
            {
                "run": each.run,
                "paths": [here.workspace.relative(path) for path in each.paths],
                "bytes": each.bytes,
                "samples": each.samples,
            }
            for each in found
        ],
        *(f"removed {_removal(each)}" for each in found),
    )


def _removal(removal: Removal) -> str:
    """One line about what is removed."""
    size = f"{removal.bytes / 2**20:,.1f} MiB"
    line = f"{removal.run}: {size} in {counted(len(removal.paths), 'path')}"
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in removal.paths)
    if names:
        line += f" ({names})"
    if removal.samples:
        line += f"; keeps {counted(removal.samples, 'generated file')}, which cannot be repeated"
    return line


def _described(found: Mapping[str, Any]) -> Iterator[str]:
    """A run as text: one line per property, settings group, checkpoint, export and sample."""
    metrics = {key: value for key, value in found["metrics"].items() if key != "by_position"}
    for key, value in {**found, "metrics": metrics}.items():
        if key not in (*ROWS, "settings", "labels"):
            yield f"{key:14} {short(value)}"
    if by_position := found["metrics"].get("by_position"):
        yield f"{'nats':14} by position: {bands.describe(by_position)}"
    for group, values in found["settings"].items():
        if values not in (None, {}, [], 0):
            yield f"{group:14} {short(values)}"
    for category, names in found["labels"].items():
        yield f"{'labels':14} {category}: {', '.join(names)}"
    for key, columns in ROWS.items():
        for row in found[key]:
            yield f"{key[:-1]:14} " + "  ".join(str(row[column]) for column in columns)
