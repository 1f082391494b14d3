"""The music statistics of a piece beside those of a part of the corpus."""

from __future__ import annotations

import pytest
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.jobs.evaluate import music
from tests.jobs.conftest import BACH, Room


def test_too_few_pieces_of_a_split_are_named_as_the_cause(room: Room) -> None:
    score = ScoreTick(next(BACH.glob("*.mid")))
    few = len(room.catalog.pieces("test"))
    assert few < 3
    with pytest.raises(MusictkError, match=f"^{few} pieces? cannot be compared with: .*split"):
        music(room.catalog, room.workspace, score, split="test")
    assert music(room.catalog, room.workspace, score)["corpus"] == len(room.catalog.pieces())
