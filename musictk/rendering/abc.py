"""ABC notation becomes music, through the abc2midi that symusic brings."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import symusic
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.files import scratch

_NO_MUSIC = "abc2midi makes no music of the ABC tune"
SECONDS = 10.0  # abc2midi may take; it is a program in C and reads text that a model wrote


def abc_to_score(text: str) -> ScoreTick:
    """The first tune of an ABC text. Raises MusictkError where there is none, or no note in it."""
    return _parsed(abc_to_midi(text))


def abc_to_midi(text: str) -> bytes:
    """The same as a MIDI file."""
    tunes = re.split(r"(?m)^(?=X:)", text)
    if len(tunes) < 2:
        raise MusictkError("the text holds no ABC tune", "a tune begins with a line such as 'X:1'")
    program = Path(symusic.__file__).parent / "bin" / "abc2midi"
    if not program.exists():
        program = program.with_suffix(".exe")
    with scratch() as folder:
        source, target = folder / "tune.abc", folder / "tune.mid"
        source.write_text(tunes[1].replace("\0", ""), "utf-8")
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
        raise MusictkError("the ABC tune holds no note")
    return score
