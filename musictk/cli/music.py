"""The argument FILE of commands that take one piece of music."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from musictk.cli.context import CommandSession

if TYPE_CHECKING:
    from musictk.jobs.named_music import NamedMusic

MusicFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=(
            "MIDI or ABC file, ARCHIVE/MEMBER, sample:ID (that of --like), file:ID, or title of a "
            "file in the catalog."
        ),
    ),
]


def named_music(here: CommandSession, name: str) -> NamedMusic:
    """The music that the user named; raises MusictkError if there is none."""
    from musictk.jobs.named_music import find_music

    found = find_music(name, here.workspace, here.catalog_if_any)
    if found.tunes > 1:
        here.output.note(f"{name} has {found.tunes:,} tunes; this is the first")
    return found
