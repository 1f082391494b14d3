"""Draws follow the probabilities, and each row's belong to it alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.errors import MusictkError, UnknownNameError
from musictk.generation.draw import Noise, make_chain, sample_frames, sample_token, sample_tokens
from musictk.testing.samplers import tokenizer


def test_picks_as_often_as_is_likely() -> None:
    likely = np.array([0.5, 0.0, 0.2, 0.3])
    with np.errstate(divide="ignore"):
        logits = np.log(likely).astype(np.float32)
    uniform = (np.arange(10_000) + 0.5) / 10_000
    drawn = sample_tokens(np.tile(logits, (10_000, 1)), uniform)
    assert np.bincount(drawn, minlength=4) / 10_000 == pytest.approx(likely, abs=1e-3)


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1))
def test_never_picks_what_is_forbidden(uniform: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 30, (1, 50)).astype(np.float32)
    logits[rng.random((1, 50)) < 0.8] = -np.inf
    logits[0, 17] = 0
    drawn = sample_tokens(logits, np.array([uniform]))[0]
    assert logits[0, drawn] > -np.inf
    assert sample_token(logits[0], uniform) == drawn


def test_each_pitch_is_a_coin_of_its_own() -> None:
    logits = np.array([[0.0, np.inf, -np.inf, 2.0]], np.float32)
    frames = np.stack(
        [sample_frames(logits, np.full((1, 4), u))[0] for u in (0.0, 0.49, 0.51, 0.99)]
    )
    assert frames.tolist() == [[1, 1, 0, 1], [1, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 0]]


def test_noise_is_a_function_of_seed_row_and_how_much_was_taken() -> None:
    whole = Noise(5, 2).take(900)
    parts = Noise(5, 2)
    assert np.array_equal(np.concatenate([parts.take(n) for n in (1, 99, 300, 500)]), whole)
    assert not np.array_equal(Noise(5, 3).take(900), whole)
    assert not np.array_equal(Noise(6, 2).take(900), whole)
    assert whole.min() >= 0
    assert whole.max() < 1
    assert np.array_equal(Noise(5, 2).take(5000)[:900], whole)
    assert len(Noise(5, 2).take(5000)) == 5000


def test_nan_predictions_are_an_error() -> None:
    with pytest.raises(MusictkError, match="NaN"):
        sample_tokens(np.array([[0, np.nan]], np.float32), np.array([0.5]))
    with pytest.raises(MusictkError, match="NaN"):
        sample_frames(np.array([[0, np.nan]], np.float32), np.array([[0.5, 0.5]]))


def test_unknown_samplers_and_settings_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'top-k'"):
        make_chain([("topk", {})], tokenizer("remi"))
    with pytest.raises(UnknownNameError, match="temperature"):
        make_chain([("temperature", {"temprature": 1})], tokenizer("remi"))
