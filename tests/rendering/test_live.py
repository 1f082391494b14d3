"""Live ports, through a backend that only listens."""

from __future__ import annotations

import io

import mido
import pytest

from musictk.errors import MusictkError, UnknownNameError
from musictk.rendering.live import play, ports
from tests.rendering import silent_ports


@pytest.fixture
def piece() -> bytes:
    """Two notes, a fiftieth of a second in all; the second is never ended."""
    track = mido.MidiTrack([mido.Message("note_on", note=60, velocity=64)])
    track.append(mido.Message("note_off", note=60, time=5))
    track.append(mido.Message("note_on", note=62, velocity=64, time=5))
    file = mido.MidiFile(ticks_per_beat=480, tracks=[track])
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


def test_what_is_played_arrives_in_order_and_nothing_hangs(piece: bytes) -> None:
    mido.set_backend("tests.rendering.silent_ports")
    silent_ports.SENT.clear()
    seconds: list[float] = []
    assert ports() == ["Silent"]
    assert play(piece, None, seconds.append) == "Silent"
    played = [(m.type, m.note) for m in silent_ports.SENT if m.type.startswith("note")]
    assert played == [("note_on", 60), ("note_off", 60), ("note_on", 62)]
    assert seconds[-1] == pytest.approx(10 / 480 / 2)
    assert any(m.is_cc(120) for m in silent_ports.SENT)  # all sounds off
    with pytest.raises(UnknownNameError, match="Silent"):
        play(piece, "Loud")


def test_without_a_backend_the_hint_is_to_install_it(piece: bytes) -> None:
    mido.set_backend("tests.rendering.no_such_backend")
    with pytest.raises(MusictkError, match=r"pip install .*python-rtmidi"):
        play(piece, None)
