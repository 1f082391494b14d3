"""`musictk catalog …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.output import counted, no_file
from musictk.errors import UsageError

COLUMNS = ("id", "path", "composer", "split", "notes", "bars", "metre", "key", "seconds")
Limit = Annotated[int, typer.Option(help="At most so many rows; 0 for all.")]


def app() -> typer.Typer:
    """The group of commands that look into the catalog and label it."""
    group = typer.Typer(no_args_is_help=True, help="Look into the catalog, and label it.")
    for command in (summary, files, composers, search, show, rejected, label, alias, split, check):
        group.command(command.__name__)(command)
    group.command("export")(export)
    return group


def summary(context: typer.Context) -> None:
    """How much music there is, in which splits, and what was rejected."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.summary()
    similar = found["similar_composers"]
    lines = [
        f"{key:12} {_line(value)}" for key, value in found.items() if value and value != similar
    ]
    here.output.result(found, *lines)
    for pair in () if here.output.json else similar:
        here.output.note(f"{pair[0]!r} and {pair[1]!r} look alike; if they are one: catalog alias")


def files(
    context: typer.Context,
    composer: Annotated[str | None, typer.Option(help="Of this composer.")] = None,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    status: Annotated[str | None, typer.Option(help="accepted, rejected or missing.")] = None,
    label: Annotated[str | None, typer.Option(help="CATEGORY=VALUE.")] = None,
    limit: Limit = 0,
) -> None:
    """List files."""
    here = session(context)
    wanted = _pair(label) if label else None
    with here.catalog() as catalog:
        rows = catalog.files(composer, split, status, wanted, limit or None)
    here.output.table(rows, COLUMNS)


def composers(context: typer.Context) -> None:
    """List composers, the largest first."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.composers(), ("name", "files", "notes", "hours", "aliases"))


def search(context: typer.Context, text: str, limit: Limit = 100) -> None:
    """Find files by words of their title, path, composer, key or labels."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.search(text, limit or None), COLUMNS)


def show(context: typer.Context, file: str) -> None:
    """All about one file: by id, path, title or the beginning of its sha256."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.show(file)
    here.output.result(found, *(f"{key:18} {_line(value)}" for key, value in found.items()))


def rejected(
    context: typer.Context,
    code: Annotated[str | None, typer.Option(help="For this reason only.")] = None,
) -> None:
    """List what was not accepted, and why."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.rejected(code), ("id", "path", "code", "detail"))


def label(
    context: typer.Context,
    selection: Annotated[
        str | None, typer.Argument(help="File (id, path, title, sha256) or composer.")
    ] = None,
    value: Annotated[
        str | None, typer.Argument(help="CATEGORY=VALUE; an empty value takes it away.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="A table: a column file or composer, and one per category.")
    ] = None,
) -> None:
    """Label files: any category can be trained on and steered by."""
    here = session(context)
    if (csv is None) == (selection is None or value is None):
        raise UsageError("say what to label", "catalog label Bach period=Baroque, or --csv FILE")
    with here.catalog() as catalog:
        if csv is not None:
            found = catalog.label_csv(csv)
            if found["unknown"]:
                here.output.warn(no_file(found["unknown"], csv))
        else:
            found = {"labels": catalog.label(str(selection), *_pair(str(value)))}
    here.output.result(found, f"{counted(found['labels'], 'label')} set")


def alias(context: typer.Context, composer: str, spelling: str) -> None:
    """Say that another spelling means this composer; files under it move over."""
    here = session(context)
    with here.catalog() as catalog:
        catalog.alias(composer, spelling)
    here.output.result({"composer": composer, "alias": spelling}, f"{spelling} is {composer}")


def split(
    context: typer.Context,
    valid: Annotated[float, typer.Option(min=0, max=0.5, help="Share of validation.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=0.5, help="Share of the test split.")] = 0.1,
) -> None:
    """Deal train, valid and test anew, by near-duplicate cluster."""
    from musictk.catalog import Fractions

    here = session(context)
    with here.catalog() as catalog:
        found = catalog.split(Fractions(valid=valid, test=test))
    here.output.result(found, _line(found))


def check(context: typer.Context) -> None:
    """Check that files, shards, runs and splits are as the catalog says; exit 1 where not."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.check()
    if not found:
        here.output.note("all is as the catalog says")
    if found or here.output.json:
        here.output.table(found)
    if found:
        raise typer.Exit(1)


def export(context: typer.Context, path: Path) -> None:
    """Write the catalog's files as a CSV table."""
    here = session(context)
    with here.catalog() as catalog:
        count = catalog.export(path)
    here.output.result({"path": str(path), "rows": count}, f"{counted(count, 'row')} in {path}")


def _pair(text: str) -> tuple[str, str]:
    category, equals, value = text.partition("=")
    if not equals or not category:
        raise UsageError(f"{text!r} is not CATEGORY=VALUE", "such as period=Baroque")
    return category, value


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
