"""The usual samplers keep the laws, and each does what its paper says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.config import build
from musictk.errors import UsageError
from musictk.generation import Sampler
from musictk.plugin import registry
from musictk.testing.samplers import LAWS, SPACES, Law, changes_nothing
from musictk.tokens import Frames, Space, Tokens

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
IDENTITY: list[tuple[str, dict[str, Any]]] = [
    ("temperature", {"temperature": 1.0}),
    ("top-k", {"k": 100_000}),
    ("top-p", {"p": 1.0}),
    ("min-p", {"p": 0.0}),
]
NO_HISTORY = np.zeros((1, 0), np.int64)


def make(name: str, settings: dict[str, Any], space: Space) -> Sampler:
    kind = registry().load("sampler", name)
    sampler: Sampler = kind(build(kind.Config, settings, name), space)
    return sampler


def kept(sampler: Sampler, probabilities: list[float]) -> list[int]:
    logits = np.log(np.array([probabilities], np.float32))
    return np.flatnonzero(sampler(logits, NO_HISTORY)[0] > -np.inf).tolist()


@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, name: str, settings: dict[str, Any], space: Space) -> None:
    law(make(name, settings, space), space)


@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize(("name", "settings"), IDENTITY)
def test_identity(name: str, settings: dict[str, Any], space: Space) -> None:
    changes_nothing(make(name, settings, space), space)


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
    ],
)
def test_settings_that_cannot_work_say_so(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must"):
        make(name, settings, Tokens(4))
