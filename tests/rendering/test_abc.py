"""ABC notation becomes music."""

from __future__ import annotations

import pytest

from musictk.errors import MusictkError
from musictk.rendering.abc import abc_to_score

TUNE = "X:1\nT:Scale\nM:3/4\nL:1/4\nQ:1/4=90\nK:G\nGAB|cde|fga|\n"


def test_a_tune_becomes_notes_in_its_key_and_metre() -> None:
    score = abc_to_score(TUNE)
    pitches = [note.pitch for track in score.tracks for note in track.notes]
    assert pitches == [67, 69, 71, 72, 74, 76, 78, 79, 81]
    metre = score.time_signatures[0]
    assert (metre.numerator, metre.denominator) == (3, 4)
    assert round(score.tempos[0].qpm) == 90


def test_the_first_tune_of_several_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    score = abc_to_score("a preface\n" + TUNE + "\nX:2\nK:C\nc|\n")
    assert score.note_num() == 9
    assert capfd.readouterr() == ("", "")  # what abc2midi says is not ours to print


@pytest.mark.parametrize("text", ["", "no tune", "X:1\nK:C\n", "X:1\n" + "\0(" * 300, "X:\n\ufffd"])
def test_text_without_music_is_an_error(text: str) -> None:
    with pytest.raises(MusictkError, match="ABC"):
        abc_to_score(text)
