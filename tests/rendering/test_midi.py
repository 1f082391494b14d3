from __future__ import annotations

from pathlib import Path

import mido
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError
from musictk.music import bars, notes
from musictk.rendering import midi
from musictk.rendering.midi import SectionSpan

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
MUSETTE = MIDIS / "Bach" / "musette_anh126.mid"


def test_sections_round_trip_through_the_file(tmp_path: Path) -> None:
    score = ScoreTick(MUSETTE)
    edges = bars(score).tolist()
    form = [SectionSpan("A", 0, edges[8]), SectionSpan("B", edges[8], edges[12])]
    form.append(SectionSpan("Brücke [/x]", edges[12], edges[20]))
    midi.write(score, form, tmp_path / "out.mid")
    written = ScoreTick(tmp_path / "out.mid")
    assert midi.sections(written) == form
    assert [track.notes.numpy()["time"].tolist() for track in written.tracks] == [
        track.notes.numpy()["time"].tolist() for track in score.tracks
    ]
    assert len(score.markers) == 0, "the caller's score stays as it was"


def test_markers_are_plain_midi_events(tmp_path: Path) -> None:
    """Another program's reader finds them."""
    score = ScoreTick(MUSETTE)
    midi.write(
        score, [SectionSpan("A", 0, 768), SectionSpan("B", 768, 15360)], tmp_path / "out.mid"
    )
    file = mido.MidiFile(tmp_path / "out.mid")
    found = [message.text for track in file.tracks for message in track if message.type == "marker"]
    assert found == ["A", "B"]


def test_control_characters_stay_out(tmp_path: Path) -> None:
    midi.write(ScoreTick(MUSETTE), [SectionSpan("A\x1b[2J\n", 0, 15360)], tmp_path / "out.mid")
    assert midi.sections(ScoreTick(tmp_path / "out.mid"))[0].label == "A[2J"


def test_rewriting_replaces_the_sections(tmp_path: Path) -> None:
    midi.write(ScoreTick(MUSETTE), [SectionSpan("A", 0, 15360)], tmp_path / "out.mid")
    again = ScoreTick(tmp_path / "out.mid")
    midi.write(again, [SectionSpan("B", 0, 15360)], tmp_path / "out.mid")
    assert [section.label for section in midi.sections(ScoreTick(tmp_path / "out.mid"))] == ["B"]


def test_no_markers_no_sections() -> None:
    assert midi.sections(ScoreTick(MUSETTE)) == []


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((MusictkError, OSError), match="file"):
        midi.write(ScoreTick(MUSETTE), [], tmp_path / "file" / "out.mid")


def test_bars_follow_the_time_signatures() -> None:
    score = ScoreTick(MUSETTE)  # 2/4, 384 ticks a quarter
    assert bars(score).tolist() == list(range(0, 15361, 768))
    assert bars(score, least=20000)[-1] >= 20000
    assert len(notes(score)) == 171


@pytest.mark.parametrize("path", sorted(MIDIS.rglob("*.mid")), ids=lambda path: path.stem)
def test_bars_cover_every_piece(path: Path) -> None:
    score = ScoreTick(path)
    edges = bars(score)
    assert edges[0] == 0
    assert (edges[1:] > edges[:-1]).all()
    assert edges[-2] < score.end() <= edges[-1]


def strikes(path: Path) -> list[tuple[int, int, int]]:
    """(tick, channel, pitch) of every note-on of a pitch that sounds already on that channel."""
    found, sounding = [], set()
    for track in [mido.merge_tracks(mido.MidiFile(path).tracks)]:
        tick = 0
        for message in track:
            tick += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = message.channel, message.note
            if message.type == "note_off" or not message.velocity:
                sounding.discard(key)
            elif key in sounding:
                found.append((tick, *key))
            else:
                sounding.add(key)
    return found


def programs_at_once(path: Path) -> dict[int, set[int]]:
    """The programs that each channel is set to, anywhere in the file."""
    found: dict[int, set[int]] = {}
    for track in mido.MidiFile(path).tracks:
        for message in track:
            if message.type == "program_change":
                found.setdefault(message.channel, set()).add(message.program)
    return found


def piece(*parts: tuple[str, int, list[tuple[int, int, int]]], quarter: int = 12) -> ScoreTick:
    """Parts of (name, program, [(start, length, pitch)]); program -1 is drums."""
    score = ScoreTick(quarter)
    for name, program, found in parts:
        track = TrackTick(name, max(program, 0), program < 0)
        for start, length, pitch in found:
            track.notes.append(NoteTick(start, length, pitch, 64))
        score.tracks.append(track)
    return score


def test_a_note_ends_where_the_next_of_its_pitch_begins(tmp_path: Path) -> None:
    overlapping = [(0, 24, 60), (12, 24, 60), (12, 6, 60), (12, 12, 64), (48, 1, 60)]
    midi.write(piece(("Piano", 0, overlapping)), [], tmp_path / "out.mid")
    assert strikes(tmp_path / "out.mid") == []
    found = notes(ScoreTick(tmp_path / "out.mid"))
    assert sorted(zip(found.start, found.end, found.pitch, strict=True)) == [
        (0, 480, 60),
        (480, 960, 64),
        (480, 1440, 60),
        (1920, 1960, 60),
    ]


def test_a_written_file_has_480_ticks_names_tempo_and_metre(tmp_path: Path) -> None:
    parts = [("Piano", 0, [(0, 12, 60)]), ("Part 40", 40, [(0, 12, 72)]), ("", 73, [(0, 9, 80)])]
    score = piece(*parts, ("Drums", -1, [(0, 3, 38)]), ("My own", 56, [(0, 12, 65)]))
    midi.write(score, [SectionSpan("A", 0, 48)], tmp_path / "out.mid")
    file = mido.MidiFile(tmp_path / "out.mid")
    assert file.ticks_per_beat == 480
    assert file.type == 1
    names = [track.name for track in file.tracks[1:]]
    assert names == ["Acoustic Grand Piano", "Violin", "Flute", "Drums", "My own"]
    first = {message.type for message in file.tracks[0] if message.time == 0}
    assert {"set_tempo", "time_signature", "marker"} <= first
    assert [m.channel for t in file.tracks for m in t if m.type == "note_on"] == [0, 1, 2, 9, 3]
    assert sum(message.time for message in file.tracks[0]) == 48 * 40, "it ends with its section"


@pytest.mark.parametrize("count", [15, 16, 20, 40])
def test_no_channel_has_two_instruments(tmp_path: Path, count: int) -> None:
    parts = [
        ("", program, [(0, 12, 60 + n) for n in range(program + 1)]) for program in range(count)
    ]
    notices = midi.write(piece(*parts, ("", -1, [(0, 3, 38)])), [], tmp_path / "out.mid")
    channels = programs_at_once(tmp_path / "out.mid")
    assert all(len(programs) == 1 for programs in channels.values())
    assert len(channels) == 16
    assert len(notices) == (count > 15)
    if notices:
        assert "Acoustic Grand Piano is played as" in notices[0]
    assert strikes(tmp_path / "out.mid") == []


def test_tracks_of_one_instrument_share_a_channel_where_there_are_many(tmp_path: Path) -> None:
    parts = [("", 40 + n % 2, [(0, 12, 60)]) for n in range(20)]
    assert midi.write(piece(*parts), [], tmp_path / "out.mid") == []
    assert len(programs_at_once(tmp_path / "out.mid")) == 2
    assert strikes(tmp_path / "out.mid") == []


@pytest.mark.parametrize("path", sorted(MIDIS.rglob("*.mid"))[::4], ids=lambda path: path.stem)
def test_written_files_have_the_music(path: Path, tmp_path: Path) -> None:
    """As another reader reads it; but for notes that overlapped."""
    score = ScoreTick(path)
    midi.write(score, [], tmp_path / "out.mid")
    again = ScoreTick(tmp_path / "out.mid")
    ratio = again.ticks_per_quarter / score.ticks_per_quarter
    before, after = notes(score), notes(again)
    kept = set(zip(after.start, after.pitch, strict=True))
    assert {
        (start * ratio, pitch) for start, pitch in zip(before.start, before.pitch, strict=True)
    } == kept
    assert [(t.time, t.mspq) for t in again.tempos][-1][1] == [t.mspq for t in score.tempos][-1]
    assert len(again.time_signatures) >= len(score.time_signatures)
    assert strikes(tmp_path / "out.mid") == []
