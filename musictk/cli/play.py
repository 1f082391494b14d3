"""`musictk play`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session


def play(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MIDI file to play.")],
    port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="MIDI output port.", show_default="the first port"),
    ] = None,
) -> None:
    """Play a MIDI file on a MIDI output port, such as a synthesizer. Ctrl-C stops it."""
    from musictk.jobs.evaluate import read_score
    from musictk.music import duration
    from musictk.rendering import live

    output = session(context).output
    whole = duration(read_score(file))
    with output.progress("playing") as bar:
        name = live.play(file, port, lambda seconds: bar.update(seconds, whole))
    output.result({"path": str(file), "port": name, "seconds": whole}, f"{file} played on {name}")
