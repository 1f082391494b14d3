"""`musictk catalog …`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from musictk.cli.catalog_changes import alias, label, line, pair, split, unalias
from musictk.cli.context import rank, session
from musictk.cli.output import Output
from musictk.wording import counted

# What search engines read as operators.
_OPERATORS = re.compile(r"(?<!\S)(?:AND|OR|NOT|NEAR)(?!\S)|[*^()+]|(?<!\S)-(?=\w)|\w:(?=\w)")
COLUMNS = ("id", "path", "composer", "split", "notes", "bars", "metre", "key", "seconds")
Limit = Annotated[int, typer.Option(metavar="N", help="Maximum number of rows (0: all).")]
After = Annotated[
    int | None,
    typer.Option(metavar="ID", help="Only files after this one: the last of the page before."),
]


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
    lines = {key: line(value) for key, value in found.items() if value and value != pairs}
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
    after: After = None,
) -> None:
    """List files, by path. Missing ones have the path where they were last.

    A file in an archive has the path ARCHIVE/MEMBER.
    """
    here = session(context)
    wanted = pair(label) if label else None
    with here.catalog() as catalog:
        rows = catalog.files(composer, split, status, wanted, limit or None, after)
    _list(here.output, rows)


def _list(output: Output, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print files; a missing one with its last path, which one of an old catalog does not have."""
    if not output.json:
        rows = [{**row, "path": _place(row)} for row in rows]
    output.table(rows, COLUMNS)


def _place(row: Mapping[str, Any]) -> str:
    from musictk.catalog.typed_paths import typed_place

    if row["path"] is None:
        return f"{row['last_path'] or row['title']} (missing)"
    return typed_place(row["path"], row["member"])


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

    Finds the files that contain every word, by path. Case and accents do not count: dvorak finds
    Dvořák. Words in double quotes are searched as one; no other character is special.
    """
    from musictk.catalog.listing import MAX_LIMIT

    here = session(context)
    one_more = limit + 1 if 0 < limit < MAX_LIMIT else limit
    with here.catalog() as catalog:
        rows = catalog.search(text, one_more or None)
    shown = rows[: limit or None]
    _list(here.output, shown)
    if len(shown) < len(rows):
        here.output.note(f"more than {limit:,} files; to see all: --limit 0")
    if not rows and (operators := _OPERATORS.findall(text)):
        named = ", ".join(dict.fromkeys(operators))
        here.output.note(f"a search has no operators: {named} is part of the text")


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
    here.output.fields(found, {key: line(value) for key, value in found.items()})


def rejected(
    context: typer.Context,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only files rejected with this code.")
    ] = None,
    limit: Limit = 0,
    after: After = None,
) -> None:
    """List rejected files and the reason for each."""
    here = session(context)
    with here.catalog() as catalog:
        rows = catalog.rejected(code, limit or None, after)
    if not here.output.json:
        rows = [{**row, "path": _place(row)} for row in rows]
    here.output.table(rows, ("id", "path", "code", "detail"))


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
    """Export files, runs and what they made as JSON lines."""
    here = session(context)
    with here.catalog() as catalog:
        count = catalog.export(path)
    described = f"{counted(count, 'row')} written to {path}"
    here.output.result({"path": str(path), "rows": count}, described)
