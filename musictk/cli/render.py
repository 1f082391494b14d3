"""`musictk render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session


def render(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A MIDI file.")],
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help=".wav, .flac or .mp3; by default .wav.")
    ] = None,
    soundfont: Annotated[Path | None, typer.Option(help="An .sf2 or .sf3 file.")] = None,
) -> None:
    """Turn a MIDI file into audio with a soundfont."""
    from musictk.jobs.evaluate import read_score
    from musictk.rendering import audio

    output = session(context).output
    target = out or file.with_suffix(".wav")
    audio.render(read_score(file), target, soundfont)
    output.result({"path": str(target)}, str(target))
