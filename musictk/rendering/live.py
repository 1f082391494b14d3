"""Play a MIDI file on a live port: a synthesizer, or a DAW that listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido

from musictk.errors import MusictkError, UnknownNameError


def ports() -> list[str]:
    """The output ports of this machine. Raises MusictkError where there is no MIDI backend."""
    try:
        return list(dict.fromkeys(mido.get_output_names()))
    except (ImportError, OSError, RuntimeError) as error:
        raise MusictkError(
            f"no MIDI ports can be reached: {error}", "pip install 'musictk[live]'"
        ) from error


def play(
    path: Path, port: str | None, heard: Callable[[float], None] = lambda seconds: None
) -> str:
    """Play `path` in time on `port` (by default the first) and return its name.

    `heard` is told how many seconds have sounded. Whatever ends it, no note is left hanging.
    Raises UnknownNameError for a port that is not there.
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
                if heard is not None:
                    heard(seconds)
        finally:
            output.panic()
    return name
