"""`musictk runs …`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Annotated, Any

import typer

from musictk.cli.context import session
from musictk.cli.output import counted, short
from musictk.training import bands

ROWS = {  # what is told of each
    "checkpoints": ("kind", "step", "path", "saved_at"),
    "exports": ("kind", "path", "made_at"),
    "samples": ("id", "path", "seed", "made_at"),
}
TOKENIZERS_DIFFER = (
    "nats per token do not compare across tokenizers; fewer per note or second may mean that less "
    "is said: events leaves out tempo, pianoroll velocity and metre too, remi none of them"
)


def app() -> typer.Typer:
    """The group of commands about trained models."""
    group = typer.Typer(no_args_is_help=True, help="What has been trained, and how good it is.")
    group.command("list")(list_runs)
    group.command("show")(show)
    group.command("compare")(compare)
    return group


def list_runs(context: typer.Context) -> None:
    """List runs, oldest first."""
    from musictk.catalog.models import when
    from musictk.jobs.runs import status_of

    here = session(context)
    with here.catalog() as catalog:
        rows = [
            {
                "name": run.name,
                "status": status_of(here.workspace, run),
                "steps": run.metrics.get("step"),
                "nll": finite(run.metrics.get("best_nll")),
                "baseline": run.metrics.get("baseline"),
                "parameters": run.metrics.get("parameters"),
                "started": when(run.started_at, "seconds"),
            }
            for run in catalog.runs()
        ]
    here.output.table(rows)


def show(context: typer.Context, run: str) -> None:
    """All about one run: its settings, checkpoints, exports and samples."""
    from musictk.jobs.runs import status_of

    here = session(context)
    with here.catalog() as catalog:
        row = catalog.run(run)
        metrics = {key: finite(value) for key, value in row.metrics.items()}
        found = row.to_dict() | {
            "status": status_of(here.workspace, row),
            "metrics": metrics,
            "checkpoints": [row.to_dict() for row in catalog.checkpoints(run)],
            "exports": [row.to_dict() for row in catalog.exports(run)],
            "samples": [row.to_dict() for row in catalog.samples(run)],
        }
    here.output.result(found, *_described(found))


def finite(value: Any) -> Any:
    """The value; None for a number that is not finite, which JSON does not know."""
    return None if isinstance(value, float) and not isfinite(value) else value


def _described(found: Mapping[str, Any]) -> Iterator[str]:
    """A run for a person: a line a fact, a setting group, a checkpoint, an export, a sample."""
    metrics = {key: value for key, value in found["metrics"].items() if key != "by_position"}
    for key, value in {**found, "metrics": metrics}.items():
        if key not in ROWS and key != "settings":
            yield f"{key:14} {short(value)}"
    if by_position := found["metrics"].get("by_position"):
        yield f"{'nats':14} by position: {bands.text(by_position)}"
    for group, values in found["settings"].items():
        if values not in (None, {}, [], 0):
            yield f"{group:14} {short(values)}"
    for key, columns in ROWS.items():
        for row in found[key]:
            yield f"{key[:-1]:14} " + "  ".join(str(row[column]) for column in columns)


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str] | None, typer.Argument(help="By default all finished ones with pieces in common.")
    ] = None,
    split: Annotated[str, typer.Option(help="valid or test.")] = "valid",
) -> None:
    """Compare runs on the same pieces: nats per token, per note and per second of music.

    Nats by position are per token, by how far into its piece the token is. Per token compares runs
    of one tokenizer only. Per note and per second compare all, but what a tokenizer leaves out
    costs it nothing: events knows no tempo, pianoroll no velocity and no metre either, remi knows
    them all. Intervals are 95 %, by resampling works: versions of one piece count together.
    """
    from musictk.jobs.compare import compare as job

    here = session(context)
    with here.catalog() as catalog, here.output.progress("scoring") as bar:
        found = job(catalog, here.workspace, runs or [], split, bar.update)
    rows = found.plain()
    here.output.table(rows if here.output.json else [_line(row) for row in rows])
    if len({run.tokenizer for run in found.runs}) > 1:
        here.output.note(TOKENIZERS_DIFFER)
    for name, many in found.seen.items():
        pieces = counted(many, "piece")
        here.output.warn(
            f"{name} was trained on {pieces} of this split as it is now: left out for all"
        )
    for name, why in found.left_out.items():
        here.output.warn(f"{name} is left out: {why}")


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the comparison for a person: each figure with its interval beside it."""
    line: dict[str, Any] = {key: row[key] for key in ("run", "tokenizer", "pieces")}
    for name in ("per_token", "per_note", "per_second", "behind"):
        mean, interval = row[name], row[f"{name}_95"]
        ends = "–" if mean is None else f"{mean:.4g}"
        if mean is not None and row["works"] > 1:  # one work says nothing of others
            ends += f" ({interval[0]:.4g} to {interval[1]:.4g})"
        line[f"nats {name.replace('_', ' ')}" if name != "behind" else name] = ends
    by_position = row["by_position"] or {}
    line["nats by position"] = bands.text(by_position) or "–"
    line["parameters"] = f"{row['parameters'] / 1e6:.1f} M"
    return line | {"tokens/s": f"{row['positions_per_second']:,.0f}"}
