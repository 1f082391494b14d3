"""Play MIDI on an output port: a synthesizer or a DAW."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import mido

from musictk.errors import MusictkError, UnknownNameError, install_command
from musictk.files import cause


def ports() -> list[str]:
    """The names of the MIDI output ports. Raises MusictkError where there is no MIDI backend."""
    try:
        return list(dict.fromkeys(mido.get_output_names()))
    except ImportError as error:
        raise MusictkError("playing needs a MIDI backend", install_command("live")) from error
    except Exception as error:  # each backend raises its own, such as rtmidi.SystemError
        hint = "start the sound system, or render the piece: musictk render FILE"
        raise MusictkError(f"no MIDI ports can be reached: {cause(error)}", hint) from error


def play(
    data: bytes, port: str | None, progress: Callable[[float], None] = lambda seconds: None
) -> str:
    """Play a MIDI file in real time on `port` (default: the first) and return the port's name.

    `progress` is called with the seconds played. All notes are ended, also after an interruption.
    Raises UnknownNameError for an unknown port, MusictkError where there is none.
    """
    names = ports()
    if not names:
        hint = "start a synthesizer or a DAW, or render the piece: musictk render FILE"
        raise MusictkError("this machine has no MIDI output port", hint)
    name = port or names[0]
    if name not in names:
        raise UnknownNameError("MIDI port", name, names)
    output: Any
    with mido.open_output(name) as output:
        seconds = 0.0
        try:
            for message in mido.MidiFile(file=io.BytesIO(data)).play():
                output.send(message)
                seconds += message.time
                progress(seconds)
        finally:
            output.panic()
    return name
