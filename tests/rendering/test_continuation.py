"""New bars are played by the instruments of the music that they continue."""

from __future__ import annotations

from io import BytesIO

import mido
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import UsageError
from musictk.rendering import smf
from musictk.rendering.continuation import JoinPoint, append

QUARTER = 480
END = 4 * QUARTER
TRUMPET = 56


def given(changes: list[tuple[int, int]], rest: int = 0) -> bytes:
    """Four notes on channel 1, up to `END`, with program changes (tick, program)."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    found = [(at, 0, mido.Message("program_change", program=number)) for at, number in changes]
    for start in range(0, END, QUARTER):
        found.append((start, 2, mido.Message("note_on", note=60)))
        found.append((start + QUARTER - rest, 1, mido.Message("note_off", note=60)))
    track, now = file.add_track(), 0
    for tick, _, message in sorted(found, key=lambda row: row[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file.save(file=(out := BytesIO()))
    return out.getvalue()


def continued(data: bytes, program: int) -> smf.MidiFile:
    """With one note of an instrument in the next bar."""
    new, track = ScoreTick(QUARTER), TrackTick("new", program, False)
    track.notes.append(NoteTick(0, QUARTER, 72, 80))
    new.tracks.append(track)
    return smf.read(append(data, JoinPoint(END, QUARTER, (4, 4)), new, [], by_program=True))


def program_of_new(file: smf.MidiFile) -> int:
    """The program that is in effect on its channel when the new note is struck."""
    program = 0
    for _, message in file.tracks[0]:
        if message[0] == 0xC0:
            program = message[1]
        if message[0] == 0x90 and message[1] == 72:
            return program
    raise AssertionError("the note is on another track or channel")


@pytest.mark.parametrize(
    ("changes", "program"),
    [
        ([(END, TRUMPET)], 0),  # at the join
        ([(0, 0), (END, TRUMPET)], 0),
        ([(END - 10, TRUMPET), (END, 40)], 0),  # before it, after the last note
        ([(0, 5), (END - 10, TRUMPET), (END - 5, 5)], 5),
        ([(10, TRUMPET)], TRUMPET),
        ([(0, 0), (3 * QUARTER, TRUMPET)], TRUMPET),  # of the last note
    ],
)
def test_a_program_change_after_the_last_note_does_not_count(
    changes: list[tuple[int, int]], program: int
) -> None:
    data = given(changes, rest=20)
    file = continued(data, program)
    assert len(file.tracks) == 1
    before = smf.read(data).tracks[0]
    assert file.tracks[0][: len(before)] == before
    assert program_of_new(file) == program


def test_a_change_after_the_join_does_not_count_either() -> None:
    file = continued(given([(END + 10, TRUMPET)]), 0)
    changes = [(tick, message[1]) for tick, message in file.tracks[0] if message[0] == 0xC0]
    assert changes == [(END + 10, TRUMPET), (END + 10, 0)]
    assert program_of_new(file) == 0


def test_nothing_is_reset_where_no_change_is_late() -> None:
    data = given([(0, 0), (QUARTER, TRUMPET), (END, TRUMPET)])
    added = continued(data, TRUMPET).tracks[0][len(smf.read(data).tracks[0]) :]
    assert [message[0] for _, message in added] == [0x90, 0x80]


def test_a_file_of_several_songs_is_refused() -> None:
    data = bytearray(given([]))
    data[9] = 2
    with pytest.raises(UsageError, match=r"format 2.*; save the song to continue"):
        continued(bytes(data), 0)
