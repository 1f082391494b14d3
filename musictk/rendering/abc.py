"""Convert ABC notation to music, with abc2midi, which is part of symusic."""

from __future__ import annotations

import subprocess
from pathlib import Path

import symusic
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.files import scratch
from musictk.reading.read import split_tunes

_NO_MUSIC = "abc2midi cannot convert the ABC tune"
SECONDS = 10.0  # time limit of abc2midi, a C program that reads text written by a model


def abc_to_score(text: str) -> ScoreTick:
    """The first tune of an ABC text. Raises MusictkError for no tune, or a tune with no notes."""
    return _parsed(abc_to_midi(text))


def abc_to_midi(text: str) -> bytes:
    """The first tune of an ABC text as a MIDI file. Raises MusictkError like `abc_to_score`."""
    tunes = split_tunes(text)
    if not tunes:
        raise MusictkError("the text has no ABC tune", "a tune begins with a line such as 'X:1'")
    program = Path(symusic.__file__).parent / "bin" / "abc2midi"
    if not program.exists():
        program = program.with_suffix(".exe")
    with scratch() as folder:
        source, target = folder / "tune.abc", folder / "tune.mid"
        source.write_text(tunes[0].replace("\0", ""), "utf-8")
        try:
            subprocess.run(
                [str(program), str(source), "-o", str(target)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            data = target.read_bytes()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MusictkError(_NO_MUSIC) from error
    _parsed(data)
    return data


def _parsed(data: bytes) -> ScoreTick:
    try:
        score: ScoreTick = ScoreTick.from_midi(data)
    except (RuntimeError, ValueError) as error:
        raise MusictkError(_NO_MUSIC) from error
    if not score.note_num():
        raise MusictkError("the ABC tune has no notes")
    return score
