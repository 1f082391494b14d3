"""`musictk catalog …`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from musictk.cli.context import rank, session
from musictk.cli.output import counted, no_file
from musictk.errors import UsageError

COLUMNS = ("id", "path", "composer", "split", "notes", "bars", "metre", "key", "seconds")
Limit = Annotated[int, typer.Option(metavar="N", help="Maximum number of rows (0: all).")]


def app() -> typer.Typer:
    """The `catalog` commands."""
    group = typer.Typer(no_args_is_help=True, help="Inspect and label the catalog.")
    described = (summary, files, composers, search, show, rejected)
    for command in (*described, label, alias, unalias, split, check, export):
        group.command(command.__name__)(command)
    return group


def summary(context: typer.Context) -> None:
    """Show how much music the catalog has, by status, kind and split."""
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.summary()
    pairs = found["similar_composers"]
    lines = {key: _line(value) for key, value in found.items() if value and value != pairs}
    here.output.fields(found, lines)
    if not here.output.json:
        for hint in join_hints(context, pairs):
            here.output.note(hint)


def join_hints(
    context: typer.Context, pairs: Sequence[Sequence[str]], limit: int = 8
) -> Iterator[str]:
    """For pairs (name to keep, other) that may be one composer: the command that joins them."""
    program: Any = context.find_root()
    named = ["--catalog", program.params["catalog"]] if rank(program, "catalog") == 3 else []
    for keep, other in pairs[:limit]:
        end = ["--"] if keep.startswith("-") or other.startswith("-") else []
        command = shlex.join(["musictk", *named, "catalog", "alias", *end, keep, other])
        yield f"{keep!r} and {other!r} may be one composer; to join them: {command}"
    if len(pairs) > limit:
        more = counted(len(pairs) - limit, "more pair")
        command = shlex.join(["musictk", *named, "catalog", "composers"])
        yield f"{more} of similar names; to list them: {command}"


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
    """List composers and how much music each has.

    Names that may be one composer are listed below, with the command that joins them.
    """
    here = session(context)
    with here.catalog() as catalog:
        rows, pairs = catalog.composers(), catalog.similar_composers()
    here.output.table(rows, ("name", "files", "notes", "hours", "aliases"))
    if not here.output.json:
        for hint in join_hints(context, pairs, limit=len(pairs)):
            here.output.note(hint)


def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words to search for.")],
    limit: Limit = 100,
) -> None:
    """Search files by title, path, composer, key or label.

    Finds the files that contain every word. Case and accents do not count: dvorak finds Dvořák.
    """
    here = session(context)
    with here.catalog() as catalog:
        here.output.table(catalog.search(text, limit or None), COLUMNS)


def show(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Id, path, first digits of the sha256, composer or title."
        ),
    ],
) -> None:
    """Show all data about one file.

    FILE is the first of these that matches: an id, a path or its end, the first 8 or more digits
    of the sha256, a composer with one file, a title.
    """
    here = session(context)
    with here.catalog() as catalog:
        found = catalog.show(file)
    here.output.fields(found, {key: _line(value) for key, value in found.items()})


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
        typer.Argument(
            metavar="SELECTION", help="Id, path, first digits of the sha256, composer or title."
        ),
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

    SELECTION is the first of these that matches: an id, a path or its end, the first 8 or more
    digits of the sha256, a composer (all of its files), a title. A path or title that matches
    several files is an error, which lists them.

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
    composer: Annotated[
        str, typer.Argument(metavar="COMPOSER", help="The composer to keep, by any spelling.")
    ],
    spelling: Annotated[
        str, typer.Argument(metavar="SPELLING", help="Another spelling of that composer's name.")
    ],
) -> None:
    """Join two spellings of a composer's name; COMPOSER is kept.

    All files by SPELLING become files by COMPOSER, now and in each later ingest; their labels and
    splits stay. If SPELLING is not in the catalog, it is registered for later. To separate them
    again: `musictk catalog unalias SPELLING`.
    """
    here = session(context)
    with here.catalog() as catalog:
        kept = catalog.composer(composer).name
        moved = catalog.alias(composer, spelling)
    here.output.result(
        {"composer": kept, "alias": spelling, "files": moved},
        f"{spelling} is now an alias of {kept}; {counted(moved, 'file')} moved",
    )


def unalias(
    context: typer.Context,
    spelling: Annotated[
        str, typer.Argument(metavar="ALIAS", help="A spelling that `alias` joined with a composer.")
    ],
) -> None:
    """Separate a spelling from its composer again, with the files that it had.

    Files that were ingested after `alias` stay with the composer.
    """
    here = session(context)
    with here.catalog() as catalog:
        moved = catalog.unalias(spelling)
    here.output.result(
        {"alias": spelling, "files": moved},
        f"{spelling} is no alias any more; {counted(moved, 'file')} moved back",
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
    described = f"{counted(count, 'row')} written to {path}"
    here.output.result({"path": str(path), "rows": count}, described)


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
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
