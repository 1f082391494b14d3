"""New bars in 3/4 from a model that writes bars of 4/4: numbers of bars are those of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.generation.control_text import parse_controls
from musictk.generation.opening import described
from musictk.music import bars, notes

from .conftest import Notices, Studio
from .given_music import two_hands


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Four bars."""
    return two_hands(tmp_path / "mine.mid", (3, 4))


def pitches(path: Path, first: int, last: int) -> set[int]:
    """Of the notes that begin in some bars."""
    score = ScoreTick(path)
    lines, found = bars(score), notes(score)
    inside = (found.start >= lines[first - 1]) & (found.start < lines[last])
    return set(found.pitch[inside].tolist())


def test_controls_of_bars_after_a_prompt(studio: Studio, given: Path) -> None:
    controls = parse_controls(["1-4: highest=C3", "5-8: lowest=C6"])
    out, _ = studio.sample("pianoroll", prompt=given, bars=8, controls=controls)
    assert 0 < max(pitches(out, 5, 8)) <= 48
    assert min(pitches(out, 9, 12)) >= 84
    with pytest.raises(UsageError, match="there is no bar 9; the new bars are 1 to 8"):
        studio.sample("pianoroll", prompt=given, bars=8, controls=parse_controls("9: highest=C3"))


def test_controls_of_a_piece_that_ends_by_its_length(studio: Studio, given: Path) -> None:
    asked = {"controls": parse_controls("5-8: highest=C3"), "options": {"max_tokens": 150}}
    out, _ = studio.sample("pianoroll", prompt=given, **asked)
    assert max(pitches(out, 5, 8)) > 48
    assert 0 < max(pitches(out, 9, 12)) <= 48


def test_controls_of_bars_after_a_theme(studio: Studio, given: Path) -> None:
    ear = Notices()
    controls = parse_controls(["5-8: highest=C3", "4-5: polyphony=4", "9-12: lowest=C2"])
    out, _ = studio.sample("pianoroll", ear, theme=given, form="A B4 C4", controls=controls)
    assert 0 < max(pitches(out, 5, 8)) <= 48
    assert max(pitches(out, 9, 12)) > 48
    assert "polyphony=4 without effect in bar 4: the theme is kept unchanged" in ear.texts
    only = parse_controls("4: highest=C3")
    with pytest.raises(UsageError, match="is for the theme only"):
        studio.sample("pianoroll", theme=given, form="A B4", controls=only)


def test_controls_that_leave_nothing_name_the_bar(studio: Studio, given: Path) -> None:
    none = parse_controls("7: lowest=C6, highest=C2")
    with pytest.raises(UsageError, match="the controls of bar 7 leave no pitch"):
        studio.sample("pianoroll", prompt=given, bars=8, controls=none)
    with pytest.raises(UsageError, match="the controls of bar 7 leave no pitch"):
        studio.sample("pianoroll", theme=given, form="A B4 C4", controls=none)


@pytest.mark.parametrize("where", ["5-8", "B"])
def test_values_of_successive_bars(studio: Studio, given: Path, where: str) -> None:
    """Each of three bars of the model has more of another bar than of the second."""
    controls = parse_controls(f"{where}: lowest=C2 | C6 | C2 | C7")
    out, batch = studio.sample("pianoroll", theme=given, form="A B4 C4", controls=controls)
    assert min(pitches(out, 5, 5)) < 84
    assert min(pitches(out, 8, 8)) >= 96
    place = "section B, bar 2" if where == "B" else "bar 6"
    why = "the model writes no bar for this one alone, so the controls (lowest) are not followed"
    assert f"{place}: {why}" in described(batch.made[0].composition.notices)


def test_a_piece_that_is_cut_names_bars_of_the_file(studio: Studio, given: Path) -> None:
    asked = {"bars": 8, "options": {"max_tokens": 40}}  # the third bar of 16 frames in the model
    _, batch = studio.sample("pianoroll", prompt=given, **asked)
    assert described(batch.made[0].composition.notices) == [
        "section A, bar 4: --max-tokens ended the piece in bar 4 of 8"
    ]
