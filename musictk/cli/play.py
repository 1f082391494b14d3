"""`musictk play`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session


def play(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A MIDI file.")],
    port: Annotated[
        str | None, typer.Option(help="A MIDI output port; by default the first.")
    ] = None,
) -> None:
    """Play a MIDI file on a live port, such as a synthesizer's. Ctrl-C stops it."""
    from musictk.jobs.evaluate import read_score
    from musictk.music import duration
    from musictk.rendering import live

    output = session(context).output
    whole = duration(read_score(file))
    with output.progress("playing") as bar:
        name = live.play(file, port, lambda seconds: bar.update(seconds, whole))
    output.result({"path": str(file), "port": name, "seconds": whole}, f"{file} played on {name}")
