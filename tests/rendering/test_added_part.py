"""Parts are added to a MIDI file, and no note of the file is struck again or ends earlier."""

from __future__ import annotations

from io import BytesIO

import mido
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import UsageError
from musictk.rendering import smf
from musictk.rendering.added_part import add_tracks
from musictk.rendering.raw_notes import NoteKey, paired_notes

Note = tuple[int, int, int]  # start, end, pitch
HELD: list[Note] = [(480, 960, 60), (1440, 1920, 60)]


def full_file() -> bytes:
    """A note on every channel, each of another family of instruments; on channel 6 `HELD`."""
    file = mido.MidiFile(type=1)
    for channel in range(16):
        track = file.add_track()
        track.append(mido.Message("program_change", channel=channel, program=8 * channel))
        now = 0
        for start, end, pitch in HELD if channel == 5 else [(0, 480, 40)]:
            on = mido.Message("note_on", channel=channel, note=pitch, velocity=80)
            track.append(on.copy(time=start - now))
            off = mido.Message("note_off", channel=channel, note=pitch)
            track.append(off.copy(time=end - start))
            now = end
    file.save(file=(out := BytesIO()))
    return out.getvalue()


def part(program: int, *found: Note, is_drum: bool = False) -> TrackTick:
    track = TrackTick("new", program, is_drum)
    for start, end, pitch in found:
        track.notes.append(NoteTick(start, end - start, pitch, 80))
    return track


def music(*tracks: TrackTick) -> ScoreTick:
    score = ScoreTick(480)
    for track in tracks:
        score.tracks.append(track)
    return score


def played(file: smf.MidiFile, index: int) -> list[tuple[NoteKey, int, int]]:
    found = paired_notes(file.tracks[index], file.ends[index])
    return sorted((note.key, note.start, note.end) for note in found)


def test_a_note_of_a_shared_channel_keeps_its_length() -> None:
    data = full_file()
    new: list[Note] = [
        *((0, 600, 60), (480, 500, 60), (700, 1000, 60)),  # into a held note, with it, inside
        *((960, 1440, 60), (1439, 1450, 60), (1920, 2000, 60), (700, 1000, 62)),
    ]
    made = add_tracks(data, music(part(43, *new)))
    before, after = smf.read(data), smf.read(made.data)
    assert after.tracks[:16] == before.tracks
    high, other = NoteKey(5, 60), NoteKey(5, 62)
    assert played(after, 16) == [
        *((high, 0, 479), (high, 960, 1439), (high, 1920, 2000)),
        (other, 700, 1000),
    ]
    assert made.left_out == 3
    assert made.notices == ["all channels are used: Contrabass is played as Violin"]


def test_two_new_parts_of_one_channel_do_not_meet() -> None:
    made = add_tracks(
        full_file(), music(part(40, (960, 1200, 70)), part(43, (0, 1000, 70), (1000, 1100, 70)))
    )
    file, key = smf.read(made.data), NoteKey(5, 70)
    assert played(file, 16) == [(key, 960, 1200)]
    assert played(file, 17) == [(key, 0, 959)]
    assert made.left_out == 1


def test_drums_do_not_strike_a_drum_that_sounds() -> None:
    made = add_tracks(full_file(), music(part(0, (240, 300, 40), (480, 500, 40), is_drum=True)))
    assert played(smf.read(made.data), 16) == [(NoteKey(9, 40), 480, 500)]
    assert made.left_out == 1


def test_a_part_without_notes_gets_no_track() -> None:
    drums = part(0, (240, 300, 40), is_drum=True)
    for new, name in ((music(drums), "Drums"), (music(), "the new part")):
        made = add_tracks(full_file(), new)
        assert smf.read(made.data) == smf.read(full_file())
        assert made.notices == [f"no note of {name} is left: no track is added for it"]
    both = add_tracks(full_file(), music(drums, part(40, (0, 480, 72))))
    assert len(smf.read(both.data).tracks) == 17
    assert both.notices == ["no note of Drums is left: no track is added for it"]


def test_the_same_instrument_is_no_other() -> None:
    made = add_tracks(full_file(), music(part(40, (0, 480, 72))))
    assert played(smf.read(made.data), 16) == [(NoteKey(5, 72), 0, 480)]
    assert made.notices == []
    assert made.left_out == 0


def test_a_file_of_several_songs_is_refused() -> None:
    data = bytearray(full_file())
    data[9] = 2
    with pytest.raises(UsageError, match=r"format 2.*; save the song"):
        add_tracks(bytes(data), music(part(0, (0, 480, 60))))
