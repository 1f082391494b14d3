"""Crafted files: small, but expensive for a naive reader."""

from __future__ import annotations

import struct
import time
import tracemalloc
from contextlib import suppress

import pytest

from musictk.reading import Limits, Reason, RejectedError
from musictk.reading.read import ParsedMidi, read_midi

END = b"\0\xff\x2f\0"
NOTE = b"\0\x90\x3c\x40\1\x3c\0"
GS_RESET = b"\0\xf0\x0a\x41\x10\x42\x12\x40\0\x7f\0\x41\xf7"
RHYTHM_PART = b"\0\xf0\x0a\x41\x10\x42\x12\x40\x1c\x15\2\x0d\xf7"


def midi(*tracks: bytes) -> bytes:
    head = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), 96)
    chunks = (b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)
    return head + b"".join(chunks)


def read(data: bytes) -> tuple[ParsedMidi, float]:
    """The music, and the CPU seconds it took to read."""
    began = time.process_time()
    music = read_midi(data, Limits())
    return music, time.process_time() - began


def memory(data: bytes, limits: Limits) -> float:
    """The bytes it takes to read a file, for each of its bytes."""
    tracemalloc.start()
    try:
        with suppress(RejectedError):
            read_midi(data, limits)
        return tracemalloc.get_traced_memory()[1] / len(data)
    finally:
        tracemalloc.stop()


def test_many_tracks_on_many_channels_cost_no_square() -> None:
    on_all = [
        bytes((0, 0x90 | channel, 60, 64, 1, 0x80 | channel, 60, 0, 0, 0xB0 | channel, 7, 9))
        for channel in range(16)
    ]
    data = midi(*[b"".join(on_all) * 2 + END] * 250)
    music, seconds = read(data)
    assert len(music.score.tracks) == 4_000
    assert seconds < 1
    assert memory(data, Limits()) < 200  # a mask for each track of the score would take 350 alone


def test_a_part_made_a_rhythm_part_over_and_over_costs_no_square() -> None:
    data = midi(GS_RESET + RHYTHM_PART * 20_000 + NOTE * 100_000 + END)
    music, seconds = read(data)
    assert music.score.note_num() == 100_000
    assert seconds < 1.5


def test_of_many_wrong_events_one_is_named() -> None:
    wrong = b"".join(b"\0\xff\x58\4\0" + struct.pack(">I", n)[1:] for n in range(20_000))
    music = read_midi(midi(wrong + NOTE + END), Limits())
    assert music.repair == ("time signature 00 00 00 00 is ignored, like 19999 others")


@pytest.mark.parametrize("event", [b"\0\xff\1\0", b"\0\xf4", b"\0\xc0\1", b"\0\xb0\1\1"])
def test_events_are_counted_before_they_fill_memory(event: bytes) -> None:
    data = midi(event * 500_000 + NOTE + END)
    with pytest.raises(RejectedError) as caught:
        read_midi(data, Limits(events=10_000))
    assert caught.value.reason is Reason.TOO_MANY_EVENTS
    assert memory(data, Limits(events=10_000)) < 60
