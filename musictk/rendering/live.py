"""Play a MIDI file on an output port: a synthesizer or a DAW."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido

from musictk.errors import MusictkError, UnknownNameError


def ports() -> list[str]:
    """The names of the MIDI output ports. Raises MusictkError where there is no MIDI backend."""
    try:
        return list(dict.fromkeys(mido.get_output_names()))
    except (ImportError, OSError, RuntimeError) as error:
        raise MusictkError(
            f"no MIDI ports can be reached: {error}", "pip install 'musictk[live]'"
        ) from error


def play(
    path: Path, port: str | None, progress: Callable[[float], None] = lambda seconds: None
) -> str:
    """Play `path` in real time on `port` (default: the first) and return the port's name.

    `progress` is called with the seconds played. All notes are ended, also after an interruption.
    Raises UnknownNameError for an unknown port, MusictkError where there is none.
    """
    names = ports()
    if not names:
        raise MusictkError("this machine has no MIDI output port", "start a synthesizer or a DAW")
    name = port or names[0]
    if name not in names:
        raise UnknownNameError("MIDI port", name, names)
    output: Any
    with mido.open_output(name) as output:
        seconds = 0.0
        try:
            for message in mido.MidiFile(path).play():
                output.send(message)
                seconds += message.time
                progress(seconds)
        finally:
            output.panic()
    return name
