"""`sample --like ID --section`: what the user gave, and what else was kept, stays."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mido import MetaMessage, MidiFile, MidiTrack
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.jobs.form_sections import sections_of
from musictk.jobs.named_music import read_named
from musictk.jobs.recompose import recompose
from musictk.jobs.sample import repeat_sample
from musictk.jobs.samples import SampleBatch
from musictk.music import bars, notes

from .conftest import Notices, Studio
from .given_music import add, note, two_hands

HIGH = ChosenControl("B", "lowest", "72")


@pytest.fixture
def sections(studio: Studio, tmp_path: Path) -> Path:
    """A file of four bars with markers A and B, as musictk writes them."""
    path, _ = studio.sample("remi", form="AB", bars=2)
    return Path(shutil.copy(path, tmp_path / "given.mid"))


def again(studio: Studio, batch: SampleBatch, section: str, out: Path, **asked: Any) -> SampleBatch:
    number = batch.made[0].id
    assert number is not None
    return recompose(studio.catalog, studio.workspace, number, section, out, seed=1, **asked)


def ranges(batch: SampleBatch) -> Sequence[tuple[int, int]]:
    rewritten = batch.made[0].rewritten
    assert rewritten is not None
    return rewritten.bars


def marked(path: Path, texts: dict[int, str]) -> Path:
    """Two hands of four bars, with markers at these quarter notes."""
    file = MidiFile(two_hands(path))
    file.tracks[0] = MidiTrack(each for each in file.tracks[0] if each.type != "marker")
    events = [(float(at), MetaMessage("marker", text=text)) for at, text in texts.items()]
    add(file.add_track("markers"), *events)
    file.tracks.insert(0, file.tracks.pop())
    file.save(path)
    return path


def labelled(studio: Studio, path: Path) -> list[str]:
    """The labels of the sections that are found in a file."""
    found = sections_of(read_named(path), lambda: nullcontext(studio.catalog))
    return [section.label for section in found]


def lowest(path: Path, first: int, last: int) -> int:
    return int(pitches(path, first, last).min(initial=127))


def highest(path: Path, first: int, last: int) -> int:
    return int(pitches(path, first, last).max(initial=0))


def pitches(path: Path, first: int, last: int) -> NDArray[np.int64]:
    """Of the notes that begin in some bars."""
    score = ScoreTick(path)
    lines, found = bars(score), notes(score)
    inside = (found.start >= lines[first - 1]) & (found.start < lines[last])
    return found.pitch[inside]


def test_sections_of_a_prompt_are_none(studio: Studio, sections: Path, tmp_path: Path) -> None:
    _, batch = studio.sample("remi", prompt=sections, form="AB", bars=2, controls=(HIGH,))
    out = tmp_path / "out.mid"
    assert ranges(again(studio, batch, "B", out)) == ((7, 8),)
    assert lowest(out, 7, 8) >= 72
    assert ranges(again(studio, batch, "A1", out)) == ((5, 6),)


def test_a_theme_stays(studio: Studio, sections: Path, tmp_path: Path) -> None:
    _, batch = studio.sample("remi", theme=sections, form="ABA", controls=(HIGH,))
    out = tmp_path / "out.mid"
    assert ranges(again(studio, batch, "B", out)) == ((5, 8),)
    assert lowest(out, 5, 8) >= 72
    assert ranges(again(studio, batch, "A", out)) == ((9, 12),)
    with pytest.raises(UsageError, match=r"section A1 .* is the theme that you gave"):
        again(studio, batch, "A1", out)


def test_markers_of_the_user_are_no_sections(studio: Studio, tmp_path: Path) -> None:
    given = marked(tmp_path / "marked.mid", {0: "Verse", 8: "B", 16: "Zenith"})
    path, batch = studio.sample("remi", theme=given, form="ABA", bars=4)
    assert labelled(studio, path) == ["A", "B", "A"]
    out, later = tmp_path / "out.mid", tmp_path / "later.mid"
    assert ranges(again(studio, batch, "B", out)) == ((5, 8),)
    made = again(studio, batch, "A2", out)
    assert ranges(made) == ((9, 12),)
    with pytest.raises(UsageError, match="its sections are A B A"):
        again(studio, batch, "Verse", out)
    assert labelled(studio, out) == ["A", "B", "A"]
    assert ranges(again(studio, made, "B", later)) == ((5, 8),)
    path, batch = studio.sample("remi", prompt=given, form="BA", bars=2)
    assert labelled(studio, path) == ["B", "A"]
    assert ranges(again(studio, batch, "B", out)) == ((5, 6),)


def test_a_file_without_a_row_has_all_its_markers(studio: Studio, tmp_path: Path) -> None:
    given = marked(tmp_path / "marked.mid", {0: "Verse", 8: "B"})
    path, _ = studio.sample("remi", theme=given, form="AB", bars=4)
    file = MidiFile(path)
    file.add_track("mine")
    file.save(path)
    assert labelled(studio, path) == ["A", "B", "B"]  # "A" was written after "Verse"


def test_controls_without_the_theme(studio: Studio, sections: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"theme": sections, "form": "ABA", "new_only": True}
    _, batch = studio.sample("remi", controls=(HIGH,), **asked)
    out = tmp_path / "out.mid"
    assert ranges(again(studio, batch, "B", out)) == ((1, 4),)
    assert lowest(out, 1, 4) >= 72
    again(studio, batch, "A", out)
    assert lowest(out, 5, 8) < 72


@pytest.mark.parametrize("new_only", [False, True])
def test_controls_where_the_bars_of_the_model_are_longer(
    studio: Studio, tmp_path: Path, new_only: bool
) -> None:
    """The model writes three bars of 4/4 for four of 3/4."""
    theme, first = two_hands(tmp_path / "theme.mid", (3, 4)), 1 if new_only else 5
    low, high = ChosenControl("b", "highest", "C3"), ChosenControl("C", "lowest", "C6")
    last = ChosenControl("12", "lowest", "C7")
    asked = {"theme": theme, "form": "A B4 C4", "new_only": new_only}
    path, batch = studio.sample("pianoroll", controls=(low, high, last), **asked)
    kept, out = Path(shutil.copy(path, tmp_path / "kept.mid")), tmp_path / "out.mid"
    assert ranges(again(studio, batch, "B", out)) == ((first, first + 3),)
    assert all(highest(out, bar, bar) <= 48 for bar in range(first, first + 4))
    assert ranges(again(studio, batch, "C", out)) == ((first + 4, first + 7),)
    assert lowest(out, first + 4, first + 7) >= 84
    assert lowest(out, first + 7, first + 7) >= 96
    with sqlite3.connect(studio.workspace.catalog) as database:  # as rows of earlier versions
        database.execute("UPDATE samples SET request = json_remove(request, '$.given.controls')")
    repeat_sample(studio.catalog, studio.workspace, batch.made[0].id or 0, out)
    assert out.read_bytes() == kept.read_bytes()


def test_other_tracks_of_an_infill_stay(studio: Studio, sections: Path, tmp_path: Path) -> None:
    file, line = MidiFile(sections), []
    for bar in range(4):
        line += note(4 * bar, 4, 84)
    add(file.add_track("flute"), *line)
    file.save(sections)
    _, batch = studio.sample("remi", infill=sections, bars="1", track="flute")
    out = tmp_path / "out.mid"
    assert ranges(again(studio, batch, "B", out)) == ((3, 4),)
    kept = [track.notes for track in ScoreTick(sections).tracks[:-1]]
    assert [track.notes for track in ScoreTick(out).tracks[:-1]] == kept
    assert ScoreTick(out).tracks[-1].notes != ScoreTick(sections).tracks[-1].notes


def test_a_part_beside_music_has_no_sections(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid", bars=2)
    _, batch = studio.sample("remi", accompany=given, program="Flute")
    with pytest.raises(UsageError, match="is a part beside your music"):
        again(studio, batch, "A", tmp_path / "out.mid")


def test_a_sample_that_is_composed_differently_replaces_nothing(
    studio: Studio, tmp_path: Path
) -> None:
    path, batch = studio.sample("remi", form="AB", bars=1)
    number = batch.made[0].id
    assert number is not None
    given = path.read_bytes()
    with sqlite3.connect(studio.workspace.catalog) as database:  # as by another version
        other = "UPDATE samples SET request = json_set(request, '$.seed', 2) WHERE id = ?"
        database.execute(other, (number,))
    with pytest.raises(UsageError, match=f"composes sample {number} differently; to keep"):
        repeat_sample(studio.catalog, studio.workspace, number)
    assert path.read_bytes() == given
    for out in (tmp_path / "beside.mid", None):
        made = repeat_sample(studio.catalog, studio.workspace, number, out)
        assert f"composes sample {number} differently" in made.notices[0]
        path.unlink(missing_ok=True)


def test_a_file_that_was_changed_is_not_replaced(studio: Studio, tmp_path: Path) -> None:
    path, batch = studio.sample("remi", form="AB", bars=1)
    number = batch.made[0].id
    assert number is not None
    given = path.read_bytes()
    path.write_bytes(given + b"changed")
    with pytest.raises(UsageError, match=rf"is no longer sample {number}: it was changed"):
        repeat_sample(studio.catalog, studio.workspace, number)
    assert path.read_bytes() == given + b"changed"
    said = Notices()
    again(studio, batch, "B", tmp_path / "b.mid", listener=said)
    assert any("the earlier version is used" in text for text in said.texts)
    repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == given
