"""`musictk render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.files import require_writable


def render(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MIDI file to render.")],
    out: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            help="Audio file to write: .wav, .flac, .mp3 or .ogg.",
            show_default="FILE.wav",
        ),
    ] = None,
    soundfont: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SoundFont to use: .sf2 or .sf3.",
            show_default="the first one installed",
        ),
    ] = None,
) -> None:
    """Render a MIDI file to audio with a SoundFont."""
    from musictk.jobs.evaluate import read_score
    from musictk.rendering import audio

    output = session(context).output
    target = out or file.with_suffix(".wav")
    require_writable(target)
    audio.render(read_score(file), target, soundfont)
    output.result({"path": str(target)}, str(target))
