"""`musictk play`."""

from __future__ import annotations

from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.music import MusicFile, named_music


def play(
    context: typer.Context,
    file: MusicFile,
    port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="MIDI output port.", show_default="the first port"),
    ] = None,
) -> None:
    """Play music on a MIDI output port, such as a synthesizer. Ctrl-C stops it."""
    from musictk.music import duration
    from musictk.rendering import live, midi

    here = session(context)
    music = named_music(here, file)
    data, whole = midi.dump(music.score)[0], duration(music.score)
    with here.output.progress("playing") as bar:
        port = live.play(data, port, lambda seconds: bar.update(seconds, whole))
    here.output.result(
        {"path": str(music.path), "port": port, "seconds": whole}, f"{music.path} played on {port}"
    )
