"""The commands of `musictk catalog` that change it: labels, names of composers, splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.output import no_file
from musictk.errors import UsageError
from musictk.wording import counted


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
            help="CSV table: a file or composer column, and one column per category; empty cells"
            " change nothing.",
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
            found = {"labels": catalog.label(str(selection), *pair(str(value)))}
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
    here.output.result(found, line(found))


def pair(text: str) -> tuple[str, str]:
    """The two parts of CATEGORY=VALUE."""
    category, equals, value = text.partition("=")
    if not equals or not category:
        raise UsageError(f"{text!r} is not CATEGORY=VALUE", "such as period=Baroque")
    return category, value


def line(value: object) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {line(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(line, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
