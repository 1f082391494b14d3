from __future__ import annotations

from pathlib import Path

import mido
import pytest
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.music import bars, notes
from musictk.rendering import midi
from musictk.rendering.midi import Section

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
MUSETTE = MIDIS / "Bach" / "musette_anh126.mid"


def test_sections_come_back_from_the_file(tmp_path: Path) -> None:
    score = ScoreTick(MUSETTE)
    edges = bars(score).tolist()
    form = [Section("A", 0, edges[8]), Section("B", edges[8], edges[12])]
    form.append(Section("Brücke [/x]", edges[12], edges[20]))
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
    midi.write(score, [Section("A", 0, 768), Section("B", 768, 15360)], tmp_path / "out.mid")
    file = mido.MidiFile(tmp_path / "out.mid")
    found = [message.text for track in file.tracks for message in track if message.type == "marker"]
    assert found == ["A", "B"]


def test_control_characters_stay_out(tmp_path: Path) -> None:
    midi.write(ScoreTick(MUSETTE), [Section("A\x1b[2J\n", 0, 15360)], tmp_path / "out.mid")
    assert midi.sections(ScoreTick(tmp_path / "out.mid"))[0].label == "A[2J"


def test_rewriting_replaces_the_sections(tmp_path: Path) -> None:
    midi.write(ScoreTick(MUSETTE), [Section("A", 0, 15360)], tmp_path / "out.mid")
    again = ScoreTick(tmp_path / "out.mid")
    midi.write(again, [Section("B", 0, 15360)], tmp_path / "out.mid")
    assert [section.label for section in midi.sections(ScoreTick(tmp_path / "out.mid"))] == ["B"]


def test_no_markers_no_sections() -> None:
    assert midi.sections(ScoreTick(MUSETTE)) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
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
