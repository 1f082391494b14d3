"""ABC notation as music."""

from __future__ import annotations

import pytest

from musictk.errors import MusictkError
from musictk.music import from_abc


def test_abc_becomes_notes() -> None:
    score = from_abc("X:1\nM:4/4\nL:1/8\nK:C\nCDEF GABc|c4 z4|]\n")
    assert [note.pitch for note in score.tracks[0].notes] == [60, 62, 64, 65, 67, 69, 71, 72, 72]


def test_a_tune_without_a_head_gets_one() -> None:
    assert from_abc("CDEF GABc|").note_num() == 8


@pytest.mark.parametrize("text", ["", "X:1\nK:C\nz4|", "\x00"])
def test_text_without_notes_is_refused(text: str) -> None:
    with pytest.raises(MusictkError, match="ABC"):
        from_abc(text)
