"""Notes of some bars are replaced in a MIDI file, and nothing else changes."""

from __future__ import annotations

import struct
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import mido
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import UsageError
from musictk.music import bars
from musictk.reading.events import variable_length
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.reading.reasons import RejectedError
from musictk.rendering import smf
from musictk.rendering.raw_notes import TrackChannel, paired_notes
from musictk.rendering.splice import insert, remove

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
PIECES = sorted(MIDIS.rglob("*.mid"))[::5]
PITCHES = (60, 62)  # few, so that notes meet
OTHERS = (
    *(bytes((0xB0, 64, 127)), bytes((0xB1, 64, 0)), bytes((0xC0, 6)), bytes((0xE1, 0, 70))),
    *(b"\xff\x05\x02la", b"\xff\x06\x01B", b"\xff\x51\x03\x07\xa1\x20", b"\xf0\x03\x7e\x09\xf7"),
    *(b"\xff\x58\x04\x03\x02\x18\x08", bytes((0xA0, 60, 9)), bytes((0xD1, 9))),
)
Events = list[tuple[int, bytes]]


def strikes() -> st.SearchStrategy[bytes]:
    """Note-ons, note-offs and note-ons of velocity 0, on two channels."""
    return st.builds(
        lambda status, pitch, velocity: bytes((status, pitch, velocity)),
        st.sampled_from((0x90, 0x91, 0x80, 0x81, 0x90, 0x91)),
        st.sampled_from(PITCHES),
        st.sampled_from((0, 70, 71, 72)),
    )


def tracks() -> st.SearchStrategy[list[Events]]:
    event = st.tuples(st.integers(0, 30), st.one_of(strikes(), strikes(), st.sampled_from(OTHERS)))
    ordered = st.lists(event, max_size=30).map(lambda found: sorted(found, key=lambda one: one[0]))
    return st.lists(ordered, min_size=1, max_size=3)


def file_of(found: list[Events], rest: int = 0) -> bytes:
    """A file with running status, of format 0 if there is one track."""
    head = struct.pack(">4sIHHH", b"MThd", 6, int(len(found) > 1), len(found), 4)
    for events in found:
        body, now, status = b"", 0, -1
        for tick, message in events:
            running = message[0] < 0xF0 and message[0] == status
            body += variable_length(tick - now) + message[running:]
            now, status = tick, message[0] if message[0] < 0xF0 else -1
        body += variable_length(rest) + b"\xff\x2f\x00"
        head += b"MTrk" + len(body).to_bytes(4) + body
    return head


def notes_of(data: bytes) -> Counter[tuple[Any, ...]]:
    """Every note as ingest reads it; none for a file without notes."""
    try:
        score = read_midi(data, Limits()).score
    except RejectedError:
        return Counter()
    return Counter(
        (track.is_drum, note.time, note.end, note.pitch, note.velocity)
        for track in score.tracks
        for note in track.notes
    )


def others_of(data: bytes) -> list[Events]:
    """All events but note-ons and note-offs, by track."""
    return [
        [(tick, message) for tick, message in track if message[0] >> 4 not in (8, 9)]
        for track in smf.read(data).tracks
    ]


def outside(found: Counter[tuple[Any, ...]], start: int, stop: int) -> Counter[tuple[Any, ...]]:
    return Counter({note: n for note, n in found.items() if not start <= note[1] < stop})


def music(found: list[tuple[int, int, int]], program: int = 0, drums: bool = False) -> ScoreTick:
    """New notes: (start, duration, pitch)."""
    score = ScoreTick(4)
    track = TrackTick("new", program, drums)
    for start, duration, pitch in found:
        track.notes.append(NoteTick(start, duration, pitch, 99))
    score.tracks.append(track)
    return score


RANGES = st.tuples(st.integers(0, 30), st.integers(1, 15)).map(lambda r: (r[0], r[0] + r[1]))
NEW = st.lists(
    st.tuples(st.integers(-2, 20), st.integers(1, 20), st.sampled_from(PITCHES)), max_size=8
)


def checked(data: bytes) -> bytes:
    try:
        smf.read(data)
    except RejectedError:
        assume(False)
    return data


@given(tracks(), RANGES, st.integers(0, 3))
def test_only_notes_that_begin_in_the_range_are_removed(
    found: list[Events], place: tuple[int, int], rest: int
) -> None:
    data = checked(file_of(found, rest))
    removed = remove(data, [place])
    before = notes_of(data)
    assert notes_of(removed.data) == outside(before, *place)
    assert removed.count >= before.total() - notes_of(removed.data).total()
    assert others_of(removed.data) == others_of(data)
    for track, kept in zip(smf.read(data).tracks, smf.read(removed.data).tracks, strict=True):
        left = iter(kept)
        gone = [event for event in track if event[1][0] >> 4 == 9 and event[1][2]]
        gone = [event for event in gone if not place[0] <= event[0] < place[1]]
        assert all(event in left for event in gone), "kept note-ons have the same order"


@given(tracks(), RANGES, NEW, st.integers(0, 3))
def test_new_notes_change_no_other(
    found: list[Events], place: tuple[int, int], new: list[tuple[int, int, int]], rest: int
) -> None:
    data = checked(file_of(found, rest))
    assume(notes_of(data))
    removed = remove(data, [place]).data
    made = insert(removed, data, music(new), place, 4, by_program=False)
    before, after = notes_of(removed), notes_of(made.data)
    assert outside(after, *place) == outside(before, *place)
    assert before <= after
    assert (after - before).total() == made.count
    assert all(place[0] <= note[1] < place[1] for note in after - before)
    assert others_of(made.data) == others_of(data)


@given(tracks(), RANGES, NEW)
def test_new_notes_of_chosen_tracks(
    found: list[Events], place: tuple[int, int], new: list[tuple[int, int, int]]
) -> None:
    data = checked(file_of(found))
    played = [
        TrackChannel(index, message[0] & 15)
        for index, track in enumerate(smf.read(data).tracks)
        for _, message in track
        if message[0] >> 4 == 9 and message[2]
    ]
    assume(played)
    removed = remove(data, [place], played[:1]).data
    made = insert(removed, data, music(new), place, 4, by_program=False, channels=played[:1])
    before, after = smf.read(data), smf.read(made.data)
    for index, (given_track, written) in enumerate(zip(before.tracks, after.tracks, strict=True)):
        if index != played[0].track:
            assert given_track == written
            continue
        others = [
            [
                note[:3]
                for note in paired_notes(track, file.ends[index])
                if note.key.channel != played[0].channel
            ]
            for file, track in ((before, given_track), (after, written))
        ]
        assert others[0] == others[1]


@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
@pytest.mark.parametrize("first", [0, 3])
def test_bars_of_real_music_come_back(path: Path, first: int) -> None:
    """What was removed and is inserted again gives the same music."""
    data, score = path.read_bytes(), ScoreTick(path)
    lines = bars(score)
    place = int(lines[first]), int(lines[first + 4])
    removed = remove(data, [place])
    before = notes_of(data)
    assert notes_of(removed.data) == outside(before, *place)
    assert removed.count == (before - outside(before, *place)).total() > 0
    new = score.copy()
    for track in new.tracks:
        kept = [note for note in track.notes if place[0] <= note.time < place[1]]
        track.notes.clear()
        for note in kept:
            moved = NoteTick(note.time - place[0], note.duration, note.pitch, note.velocity)
            track.notes.append(moved)
    made = insert(removed.data, data, new, place, score.ticks_per_quarter, by_program=False)
    after = notes_of(made.data)
    assert outside(after, *place) == outside(before, *place)
    assert others_of(made.data) == others_of(data)
    assert made.count >= 0.9 * removed.count  # two hands may have struck one key together
    names = [
        [track.name for track in mido.MidiFile(file=BytesIO(each)).tracks]
        for each in (data, made.data)
    ]
    assert names[0] == names[1]


def test_a_held_note_that_a_removed_one_ended_gets_its_note_off() -> None:
    held: Events = [
        (0, bytes((0x90, 60, 70))),
        (8, bytes((0x90, 60, 71))),
        (9, bytes((0x80, 60, 0))),
    ]
    removed = remove(file_of([held]), [(8, 12)])
    assert notes_of(removed.data) == Counter({(False, 0, 8, 60, 70): 1})


def test_an_instrument_that_the_file_lacks_gets_a_track() -> None:
    piano: Events = [(0, bytes((0xC0, 0))), (0, bytes((0x90, 60, 70))), (4, bytes((0x80, 60, 0)))]
    data = file_of([piano, []])
    made = insert(data, data, music([(0, 2, 72)], 40), (8, 16), 4, by_program=True)
    file = smf.read(made.data)
    assert made.count == 1
    assert len(file.tracks) == 3
    assert (0, bytes((0xC1, 40))) in file.tracks[2]
    assert (8, bytes((0x91, 72, 99))) in file.tracks[2]
    assert file.tracks[:2] == smf.read(data).tracks


@pytest.mark.parametrize(
    ("changes", "program", "tick"),
    [
        ([(16, 56)], 0, 4),  # after the last note
        ([(16, 56)], 0, 0),
        ([(0, 0), (8, 56)], 0, 4),
        ([(0, 0), (8, 56)], 56, 8),  # at the first new note
        ([(2, 56)], 56, 0),  # before the first note
        ([(4, 56)], 56, 4),
        ([(3, 56)], 56, 0),  # while the first note sounds
    ],
)
def test_a_program_change_counts_from_where_it_is(
    changes: list[tuple[int, int]], program: int, tick: int
) -> None:
    first = 4 if changes[0][0] in (2, 4) else 0
    events = [(at, bytes((0xC0, number))) for at, number in changes]
    events += played(*((start, 60) for start in range(first, 16, 4)))
    data = file_of([sorted(events, key=lambda event: event[0]), []])
    made = insert(data, data, music([(0, 2, 72)], program), (tick, 16), 4, by_program=True)
    assert hands(made.data, 0)[0].count((tick, 72)) == 1
    assert len(smf.read(made.data).tracks) == 2


def test_tracks_of_one_channel_keep_their_programs() -> None:
    """As they are read: a track without changes has those of the others."""
    piano, trumpet = played((0, 48)), played((0, 76))
    alone: Events = [(0, bytes((0xC0, 0))), *piano]
    data = file_of([alone, [(0, bytes((0xC0, 56))), *trumpet]])
    made = insert(data, data, music([(0, 2, 72)]), (4, 8), 4, by_program=True)
    assert hands(made.data, 4) == [[(4, 72)], []]
    data = file_of([[(0, bytes((0xC0, 56)))], trumpet])
    made = insert(data, data, music([(0, 2, 72)], 56), (4, 8), 4, by_program=True)
    assert hands(made.data, 4) == [[], [(4, 72)]]


def hands(data: bytes, start: int) -> list[list[tuple[int, int]]]:
    """(tick, pitch) of each track from a tick on."""
    return [
        sorted((tick, event[1]) for tick, event in track if event[0] >> 4 == 9 and tick >= start)
        for track in smf.read(data).tracks
    ]


def played(*found: tuple[int, int]) -> Events:
    """Notes of a quarter note: (tick, pitch)."""
    events = [(tick, bytes((0x90, pitch, 70))) for tick, pitch in found]
    events += [(tick + 4, bytes((0x80, pitch, 0))) for tick, pitch in found]
    return sorted(events, key=lambda event: event[0])


PIANO = file_of([played((0, 76), (4, 74), (8, 72)), played((0, 48), (4, 50), (8, 43))])


def test_a_chord_is_divided_so_that_each_hand_reaches_its_notes() -> None:
    chords = [(0, 4, pitch) for pitch in (36, 52, 57, 60)]
    new = music([*chords, (4, 4, 55), (4, 4, 79)])
    made = insert(PIANO, PIANO, new, (12, 24), 4, by_program=False, chords=True)
    right, left = hands(made.data, 12)
    assert left == [(12, 36), (12, 52), (16, 55)]
    assert right == [(12, 57), (12, 60), (16, 79)]


def test_a_register_moves_with_its_notes() -> None:
    steps = [(4 * number, 4, 74 - number) for number in range(24)]  # from the right hand to a bass
    new = music([*steps, *((start, 4, 40) for start, _, _ in steps)])
    made = insert(PIANO, PIANO, new, (12, 120), 4, by_program=False, chords=True)
    right, left = hands(made.data, 12)
    assert [pitch for _, pitch in right] == [pitch for _, _, pitch in steps]
    assert {pitch for _, pitch in left} == {40}


def test_three_parts_share_a_chord() -> None:
    trio = file_of([played((0, 48)), played((0, 76)), played((0, 64))])
    new = music([(0, 4, 50), (0, 4, 59), (0, 4, 71)])
    made = insert(trio, trio, new, (4, 8), 4, by_program=False, chords=True)
    assert hands(made.data, 4) == [[(4, 50)], [(4, 71)], [(4, 59)]]


def test_a_kept_rhythm_stays_with_its_part() -> None:
    removed = remove(PIANO, [(0, 12)])
    new = music([(0, 4, 40), (0, 4, 41), (4, 4, 81), (4, 4, 79), (8, 4, 60), (8, 4, 61)])
    made = insert(removed.data, PIANO, new, (0, 12), 4, by_program=False, rhythm=True)
    right, left = hands(made.data, 0)
    assert right == [(0, 41), (4, 81), (8, 61)]
    assert left == [(0, 40), (4, 79), (8, 60)]


def test_notes_off_the_grid_keep_their_part() -> None:
    off = file_of([played((1, 76), (9, 77)), played((0, 48), (7, 50))])
    removed = remove(off, [(0, 12)])
    new = music([(0, 4, 40), (0, 4, 41), (8, 4, 81), (8, 4, 79)])
    made = insert(removed.data, off, new, (0, 12), 4, by_program=False, rhythm=True)
    assert hands(made.data, 0) == [[(1, 41), (9, 81)], [(0, 40), (7, 79)]]


def test_a_kept_rhythm_is_that_of_the_file_to_the_tick() -> None:
    """A model's grid is coarser: it has these notes at 0, 4 and 8, of other lengths."""
    events = [(1, 76, 91), (3, 76, 0), (5, 77, 64), (9, 77, 0), (9, 79, 33), (20, 79, 0)]
    part = [(tick, bytes((0x90, pitch, velocity))) for tick, pitch, velocity in events]
    file = file_of([part])
    new = music([(0, 4, 60), (4, 4, 62), (8, 4, 64)])
    made = insert(remove(file, [(0, 12)]).data, file, new, (0, 12), 4, False, rhythm=True)
    found = read_midi(made.data, Limits()).score.tracks[0].notes
    notes = [(note.start, note.end, note.pitch, note.velocity) for note in found]
    assert notes == [(1, 3, 60, 91), (5, 9, 62, 64), (9, 20, 64, 33)]


def test_new_notes_without_room_are_counted() -> None:
    held = [(0, bytes((0x90, 48, 70))), (16, bytes((0x80, 48, 0)))]
    shared = file_of([played((0, 60), (4, 62)), held])
    removed = remove(shared, [(0, 8)], {TrackChannel(0, 0)})
    new = music([(0, 4, 48), (4, 4, 62)])
    made = insert(
        removed.data, shared, new, (0, 8), 4, by_program=False, channels={TrackChannel(0, 0)}
    )
    assert (made.count, made.left_out) == (1, 1)


def test_a_file_of_several_songs_is_refused() -> None:
    data = bytearray(file_of([[(0, bytes((0x90, 60, 70)))], []]))
    data[9] = 2
    with pytest.raises(UsageError, match="format 2"):
        remove(bytes(data), [(0, 4)])


def test_new_notes_end_with_their_range_where_chords_are_divided() -> None:
    removed = remove(PIANO, [(4, 8)]).data
    for chords, end in ((True, 8), (False, 12)):
        made = insert(removed, PIANO, music([(0, 40, 60)]), (4, 8), 4, False, chords=chords)
        score = read_midi(made.data, Limits()).score
        found = [note.end for track in score.tracks for note in track.notes if note.pitch == 60]
        assert found == [end]
