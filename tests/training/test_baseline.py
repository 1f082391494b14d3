from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.tokens import Frames, Tokens
from musictk.training.baseline import Bigram, baseline_nll

SPACE = Tokens(size=6)


@given(st.lists(st.lists(st.integers(0, 5), max_size=20), max_size=4))
def test_a_bigram_is_a_distribution(pieces: list[list[int]]) -> None:
    bigram = Bigram([np.array(piece, np.int64) for piece in pieces], SPACE)
    before, after = np.divmod(np.arange(36), 6)
    assert bigram.chance(before, after).reshape(6, 6).sum(1) == pytest.approx(np.ones(6))


def test_a_bigram_beats_chance_where_tokens_follow_each_other() -> None:
    walk = np.tile([3, 4, 5], 50)
    assert baseline_nll([walk], [walk], SPACE) < 0.2
    noise = np.random.default_rng(0).integers(3, 6, 900)
    assert baseline_nll([noise], [noise], SPACE) == pytest.approx(np.log(3), abs=0.05)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=3))
def test_anything_has_a_finite_cost(pieces: list[list[int]]) -> None:
    train = [np.array(piece, np.int64) for piece in pieces]
    assert np.isfinite(baseline_nll(train, [np.array([0, 5, 3])], SPACE))


def test_frames_are_counted_pitch_by_pitch() -> None:
    train = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.uint8)
    valid = np.array([[1, 1]], np.uint8)
    # Pitch 0 came on once in 2 chances, pitch 1 once in 3; half a count is added everywhere.
    expected = -np.log(1.5 / 3) - np.log(1.5 / 4)
    assert baseline_nll([train], [valid], Frames(width=2)) == pytest.approx(expected)
