"""`musictk attribute`."""

from __future__ import annotations

from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.music import MusicFile, named_music


def attribute(
    context: typer.Context,
    file: MusicFile,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of composers to print; --json has all.")
    ] = 5,
) -> None:
    """Estimate which composer of the catalog a piece sounds like.

    A classifier is trained on the catalog's music at the first use, and again when the music
    changes. It knows composers with at least five works.
    """
    from musictk.jobs.attribute import attribute as job

    here = session(context)
    music = named_music(here, file)
    with here.catalog() as catalog, here.output.progress("counting figures") as bar:
        found = job(catalog, here.workspace, music, bar.update)
    scores, shares = found.scores, found.probabilities
    if found.known:
        here.output.note("this file is in the catalog: the classifier was trained on it")
    width = max(map(len, list(shares)[:top]))
    here.output.result(
        found.plain(),
        *(f"{name:{width}}  {share:6.1%}" for name, share in list(shares.items())[:top]),
        f"cross-validated on {scores.pieces:,} pieces by {len(shares)} composers, works never"
        f" divided between folds: F1 {scores.f1:.2f} per piece (mean over composers),"
        f" {scores.accuracy:.0%} of the pieces right",
    )
