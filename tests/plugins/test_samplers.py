"""The usual samplers satisfy the laws, and each computes what its paper defines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.config import build
from musictk.errors import UsageError
from musictk.generation import Sampler
from musictk.plugin import registry
from musictk.testing.exports import Blank
from musictk.testing.samplers import (
    LAWS,
    TOKENIZERS,
    Law,
    changes_nothing,
    order_is_kept,
    tokenizer,
)
from musictk.tokens import PITCH, Frames, Tokenizer, Tokens

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("temperature", {"temperature": 0.7}),
    ("temperature", {"temperature": 1.6}),
    ("top-k", {"k": 1}),
    ("top-k", {"k": 40}),
    ("top-p", {"p": 0.01}),
    ("top-p", {"p": 0.9}),
    ("min-p", {"p": 0.1}),
    ("min-p", {"p": 1.0}),
]
PENALTIES: list[tuple[str, dict[str, Any]]] = [
    ("repetition", {}),
    ("repetition", {"penalty": 100, "window": 1}),
]
IDENTITY: list[tuple[str, dict[str, Any]]] = [
    ("temperature", {"temperature": 1.0}),
    ("top-k", {"k": 100_000}),
    ("top-p", {"p": 1.0}),
    ("min-p", {"p": 0.0}),
    ("repetition", {"penalty": 1}),
]
NO_HISTORY = np.zeros((1, 0), np.int64)


def make(name: str, settings: dict[str, Any], over: Tokens | Frames | Tokenizer) -> Sampler:
    kind = registry().load("sampler", name)
    made = over if isinstance(over, Tokenizer) else Blank(over)
    sampler: Sampler = kind(build(kind.Config, settings, name), made)
    return sampler


def kept(sampler: Sampler, probabilities: list[float]) -> list[int]:
    logits = np.log(np.array([probabilities], np.float32))
    return np.flatnonzero(sampler(logits, NO_HISTORY)[0] > -np.inf).tolist()


@pytest.mark.parametrize("over", TOKENIZERS)
@pytest.mark.parametrize(("name", "settings"), SETTINGS + PENALTIES)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, name: str, settings: dict[str, Any], over: str) -> None:
    law(make(name, settings, tokenizer(over)))


@pytest.mark.parametrize("over", TOKENIZERS)
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_order_is_kept(name: str, settings: dict[str, Any], over: str) -> None:
    order_is_kept(make(name, settings, tokenizer(over)))


@pytest.mark.parametrize("over", TOKENIZERS)
@pytest.mark.parametrize(("name", "settings"), IDENTITY)
def test_identity(name: str, settings: dict[str, Any], over: str) -> None:
    changes_nothing(make(name, settings, tokenizer(over)))


def test_temperature_zero_is_greedy() -> None:
    cold = make("temperature", {"temperature": 0}, Tokens(4))
    assert kept(cold, [0.1, 0.4, 0.3, 0.2]) == [1]


def test_temperature_divides_log_odds() -> None:
    warm = make("temperature", {"temperature": 2}, Tokens(2))
    logits: NDArray[np.float32] = np.array([[3.0, 1.0]], np.float32)
    assert warm(logits, NO_HISTORY).tolist() == [[1.5, 0.5]]


def test_top_k_keeps_k() -> None:
    assert kept(make("top-k", {"k": 2}, Tokens(4)), [0.1, 0.4, 0.3, 0.2]) == [1, 2]


def test_top_p_keeps_the_smallest_set_that_makes_up_p() -> None:
    likely = [0.1, 0.4, 0.3, 0.2]
    assert kept(make("top-p", {"p": 0.39}, Tokens(4)), likely) == [1]
    assert kept(make("top-p", {"p": 0.41}, Tokens(4)), likely) == [1, 2]
    assert kept(make("top-p", {"p": 0.85}, Tokens(4)), likely) == [1, 2, 3]


def test_min_p_is_relative_to_the_best() -> None:
    assert kept(make("min-p", {"p": 0.6}, Tokens(4)), [0.1, 0.4, 0.3, 0.2]) == [1, 2]


def test_in_frames_top_k_is_the_most_voices() -> None:
    logits = np.linspace(3, -3, 128, dtype=np.float32)[None]
    voices = make("top-k", {"k": 4}, Frames(128))(logits, np.zeros((1, 0, 128), np.uint8))
    assert np.flatnonzero(voices[0] > -np.inf).tolist() == [0, 1, 2, 3]


def test_in_frames_temperature_zero_sounds_what_is_likelier_than_not() -> None:
    logits = np.array([[2.0, -0.1, 0.1, -3.0]], np.float32)
    nothing = np.zeros((1, 0, 4), np.uint8)
    cold = make("temperature", {"temperature": 0}, Frames(4))(logits, nothing)
    assert (0.5 * (1 + np.tanh(0.5 * cold))).tolist() == [[1, 0, 1, 0]]
    one = make("top-k", {"k": 1}, Frames(4))(cold, nothing)  # the likelier of the two
    assert np.flatnonzero(np.isfinite(one)).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("temperature", {"temperature": -1}),
        ("temperature", {"temperature": float("nan")}),
        ("top-k", {"k": 0}),
        ("top-p", {"p": 0}),
        ("top-p", {"p": 1.1}),
        ("min-p", {"p": -0.1}),
        ("repetition", {"penalty": 0.9}),
        ("repetition", {"penalty": float("nan")}),
        ("repetition", {"window": 0}),
    ],
)
def test_settings_that_cannot_work_say_so(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must"):
        make(name, settings, Tokens(4))


def test_repetition_divides_what_is_positive_and_multiplies_what_is_negative() -> None:
    twice = make("repetition", {"penalty": 2, "window": 2}, Tokens(7))
    logits: NDArray[np.float32] = np.array([[1, 1, 1, 4, -4, 4, -np.inf]], np.float32)
    after = twice(logits, np.array([[5, 6, 3, 4]]))
    assert after.tolist() == [[1, 1, 1, 2, -8, 4, -np.inf]]  # 5 was written too long ago
    assert np.array_equal(twice(logits, NO_HISTORY), logits)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_repetition_makes_notes_rarer_and_nothing_else(name: str) -> None:
    made = tokenizer(name)
    notes = made.attributes()[PITCH].stated
    everything = np.arange(len(notes))[None]
    logits = np.ones((1, len(notes)), np.float32)
    after = make("repetition", {"penalty": 2, "window": 10_000}, made)(logits, everything)
    assert np.array_equal(after[0] < 1, notes)


def test_in_frames_what_sounds_may_go_on() -> None:
    history = np.zeros((1, 4, 128), np.uint8)
    history[0, 1, [60, 64]] = 1
    history[0, 2:, 64] = 1
    logits = np.ones((1, 128), np.float32)
    after = make("repetition", {"penalty": 2}, tokenizer("pianoroll"))(logits, history)
    assert np.flatnonzero(after[0] < 1).tolist() == [60]
