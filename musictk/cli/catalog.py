"""`musictk catalog …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.output import counted, no_file
from musictk.errors import UsageError

COLUMNS = ("id", "path", "composer", "split", "notes", "bars", "metre", "key", "seconds")
Limit = Annotated[int, typer.Option(metavar="N", help="Maximum number of rows (0: all).")]


def app() -> typer.Typer:
    """The `catalog` commands."""
    group = typer.Typer(no_args_is_help=True, help="Inspect and label the catalog.")
    for command in (summary, files, composers, search, show, rejected, label, alias, split, check):
        group.command(command.__name__)(command)
    group.command("export")(export)
    return group


def summary(context: typer.Context) -> None:
    """Show how much music the catalog has, by status, kind and split."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.summary()
    similar = found["similar_composers"]
    lines = [
        f"{key:12} {_line(value)}" for key, value in found.items() if value and value != similar
    ]
    here.output.result(found, *lines)
    for pair in () if here.output.json else similar:
        here.output.note(
            f"composers {pair[0]!r} and {pair[1]!r} have similar names;"
            " to merge them: musictk catalog alias COMPOSER SPELLING"
        )


def files(
    context: typer.Context,
    composer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only files by this composer.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="SPLIT", help="Only this split: train, valid or test.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only this status: accepted, rejected or missing."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CATEGORY=VALUE", help="Only files with this label.")
    ] = None,
    limit: Limit = 0,
) -> None:
    """List files."""
    here = session(context)
    wanted = _pair(label) if label else None
    with here.catalog() as catalog:
        rows = catalog.files(composer, split, status, wanted, limit or None)
    here.output.table(rows, COLUMNS)


def composers(context: typer.Context) -> None:
    """List composers and how much music each has."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.composers(), ("name", "files", "notes", "hours", "aliases"))


def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words to search for.")],
    limit: Limit = 100,
) -> None:
    """Search files by title, path, composer, key or label."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.search(text, limit or None), COLUMNS)


def show(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Id, path, title or first digits of the sha256.")
    ],
) -> None:
    """Show all data about one file."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.show(file)
    here.output.result(found, *(f"{key:18} {_line(value)}" for key, value in found.items()))


def rejected(
    context: typer.Context,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only files rejected with this code.")
    ] = None,
) -> None:
    """List rejected files and the reason for each."""
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.rejected(code), ("id", "path", "code", "detail"))


def label(
    context: typer.Context,
    selection: Annotated[
        str | None,
        typer.Argument(metavar="SELECTION", help="A file (id, path, title, sha256) or a composer."),
    ] = None,
    value: Annotated[
        str | None,
        typer.Argument(metavar="CATEGORY=VALUE", help="The label; an empty value removes it."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV table: a file or composer column, and one column per category.",
        ),
    ] = None,
) -> None:
    """Label files, one by one or from a CSV table.

    A model can be conditioned on any category: `train --condition composer,period`.
    """
    here = session(context)
    if (csv is None) == (selection is None or value is None):
        raise UsageError(
            "catalog label needs a selection and a label, or --csv",
            "such as: musictk catalog label Bach period=Baroque",
        )
    with here.catalog() as catalog:
        if csv is not None:
            found = catalog.label_csv(csv)
            if found["unknown"]:
                here.output.warn(no_file(found["unknown"], csv))
        else:
            found = {"labels": catalog.label(str(selection), *_pair(str(value)))}
    here.output.result(found, f"{counted(found['labels'], 'label')} set")


def alias(
    context: typer.Context,
    composer: Annotated[str, typer.Argument(metavar="COMPOSER", help="The composer to keep.")],
    spelling: Annotated[
        str, typer.Argument(metavar="SPELLING", help="Another spelling of that composer's name.")
    ],
) -> None:
    """Register another spelling of a composer's name; its files move to that composer."""
    here = session(context)
    with here.catalog() as catalog:
        catalog.alias(composer, spelling)
    here.output.result(
        {"composer": composer, "alias": spelling}, f"{spelling} is now an alias of {composer}"
    )


def split(
    context: typer.Context,
    valid: Annotated[
        float, typer.Option(metavar="FRACTION", min=0, max=0.5, help="Fraction used for valid.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option(metavar="FRACTION", min=0, max=0.5, help="Fraction used for test.")
    ] = 0.1,
) -> None:
    """Re-split into train, valid and test; near-duplicates stay in one split.

    Official splits, which `ingest` reads from the table of a data set, are replaced.
    """
    from musictk.catalog import Fractions

    here = session(context)
    with here.catalog() as catalog:
        official = sum(catalog.official_splits().files.values())
        if official:
            here.output.warn(
                f"the official splits of {counted(official, 'file')} are replaced;"
                " to restore them: musictk ingest FOLDER --composers TABLE"
            )
        found = catalog.split(Fractions(valid=valid, test=test))
    here.output.result(found, _line(found))


def check(context: typer.Context) -> None:
    """Check files, shards, runs and splits against the catalog.

    Exit code 1 means that there are problems.
    """
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.check()
    if not found:
        here.output.note("no problems found")
    if found or here.output.json:
        here.output.table(found)
    if found:
        raise typer.Exit(1)


def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write.")],
) -> None:
    """Export all rows of the catalog as JSON lines."""
    here = session(context)
    with here.catalog() as catalog:
        count = catalog.export(path)
    here.output.result(
        {"path": str(path), "rows": count}, f"{counted(count, 'row')} written to {path}"
    )


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
