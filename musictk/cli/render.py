"""`musictk render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.music import MusicFile, named_music
from musictk.files import require_writable


def render(
    context: typer.Context,
    file: MusicFile,
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
            show_default="the first of yours, else the built-in one",
        ),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", help="Play the audio when it is written.")
    ] = False,
) -> None:
    """Render music to audio with a SoundFont, at a loudness of -18 LUFS (EBU R 128).

    The SoundFont is --soundfont, else the first file in ~/.local/share/soundfonts or, on macOS,
    ~/Library/Audio/Sounds/Banks, else the built-in FluidR3Mono_GM.
    """
    from musictk.cli.playing import play_samples
    from musictk.rendering import audio, speaker
    from musictk.rendering.soundfonts import find_soundfont

    here = session(context)
    music = named_music(here, file)
    target = out or music.path.with_suffix(".wav")
    audio.require_format(target)
    require_writable(target)
    if play:
        speaker.require_player()
    settings = audio.AudioSettings()
    samples = audio.synthesize(music.score, soundfont or find_soundfont(), settings)
    audio.write(samples, target, settings.rate)
    seconds = len(samples) / settings.rate
    here.output.result({"path": str(target), "seconds": seconds}, str(target))
    if play:
        play_samples(here.output, samples, settings.rate)
