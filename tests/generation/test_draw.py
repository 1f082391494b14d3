"""Draws follow the probabilities, and each row's belong to it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from musictk.errors import MusictkError, UnknownNameError
from musictk.generation import Sampler
from musictk.generation.draw import (
    Noise,
    apply,
    make_chain,
    sample_frames,
    sample_token,
    sample_tokens,
)
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.testing.exports import Blank
from musictk.testing.samplers import LAWS, Law, tokenizer
from musictk.tokens import Frames, Space, Tokens
from tests.installed import available, write_plugin


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


class Odd(Sampler):
    """A sampler that gives the result that a test wants."""

    Config = object
    name = "odd"

    def __init__(self, over: Space, result: Callable[[Any], Any]) -> None:
        super().__init__(None, Blank(over))
        self.result = result

    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        return self.result(logits)


class WithHistory(Sampler):
    """A sampler of remi tokens made of a function."""

    Config = object
    name = "with-history"

    def __init__(self, change: Callable[[Any, Any], Any]) -> None:
        super().__init__(None, tokenizer("remi"))
        self.change = change

    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        return self.change(logits, history)


def _filled(value: float) -> Callable[[Any], Any]:
    return lambda logits: np.full_like(logits, value)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (_filled(np.nan), "sampler 'odd' returned NaN"),
        (_filled(np.inf), r"sampler 'odd' returned \+inf"),
        (_filled(-np.inf), "sampler 'odd' forbids every token"),
        (lambda logits: None, r"'odd' returned NoneType instead of an array of shape \(2, 9\)"),
        (lambda logits: logits[:, 1:], r"returned shape \(2, 8\) instead of an array of shape"),
        (lambda logits: logits.astype(int), "sampler 'odd' returned int64 instead of float32"),
        (lambda logits: 1 / 0, r"'odd' failed: ZeroDivisionError: .* \(test_draw\.py, line \d+\)"),
    ],
)
def test_the_sampler_at_fault_is_named(result: Callable[[Any], Any], message: str) -> None:
    """Also where the sampler after it changes nothing."""
    logits, history = np.zeros((2, 9), np.float32), np.zeros((2, 0), np.int64)
    same = Odd(Tokens(9), lambda logits: logits)
    same.name = "same"  # type: ignore[misc]
    assert apply([same, same], logits, history) is logits
    with pytest.raises(MusictkError, match=message):
        apply([same, Odd(Tokens(9), result), same], logits, history)


def test_no_sampler_is_blamed_for_the_model() -> None:
    same = Odd(Tokens(2), lambda logits: logits)
    for value in (np.nan, np.inf, -np.inf):
        logits = np.full((1, 2), value, np.float32)
        assert apply([same], logits, np.zeros((1, 0), np.int64)) is logits


def test_a_sampler_may_make_a_frame_silent() -> None:
    logits, history = np.zeros((1, 4), np.float32), np.zeros((1, 0, 4), np.uint8)
    silent = apply([Odd(Frames(4), _filled(-np.inf))], logits, history)
    assert (silent == -np.inf).all()
    with pytest.raises(MusictkError, match="sampler 'odd' returned NaN"):
        apply([Odd(Frames(4), _filled(np.nan))], logits, history)


def _in_place(logits: Any) -> Any:
    logits[:] = 0
    return logits


@pytest.mark.parametrize(("space", "what"), [(Tokens(9), "token"), (Frames(9), "pitch")])
@pytest.mark.parametrize("result", [np.zeros_like, _in_place])
def test_no_sampler_may_allow_what_is_forbidden(
    space: Space, what: str, result: Callable[[Any], Any]
) -> None:
    """Also one that writes into the result of the sampler before it, which is not blamed."""
    logits, history = np.zeros((2, 9), np.float32), np.zeros((2, 0), np.int64)
    logits[1, 3] = -np.inf
    colder = Odd(space, lambda logits: logits * 2)
    colder.name = "colder"  # type: ignore[misc]
    message = f"sampler 'odd' allows a {what} that is forbidden; .* musictk.testing.samplers"
    with pytest.raises(MusictkError, match=message):
        apply([colder, Odd(space, result)], logits, history)
    assert apply([colder], logits, history)[1, 3] == -np.inf


def test_the_logits_that_the_first_sampler_gets_are_read_only() -> None:
    """They are used again where the token that was drawn leads to a dead end."""
    logits, history = np.zeros((2, 9), np.float32), np.zeros((2, 0), np.int64)
    with pytest.raises(MusictkError, match=r"'odd' failed: ValueError: .* read-only .*testing"):
        apply([Odd(Tokens(9), _in_place)], logits, history)
    logits[0, 0] = 1  # the caller's are as before


LONG_AGO = """
from dataclasses import dataclass
from musictk.generation import Sampler
from musictk.plugin import hookimpl

@hookimpl
def register_samplers(register):
    register("long-ago", "plugin_long_ago:LongAgo", "a history that is no number")

class LongAgo(Sampler):
    name, history, Config = "long-ago", "many", dataclass(frozen=True)(type("Plain", (), {}))
    def __call__(self, logits, history):
        return logits
"""


@pytest.fixture
def long_ago(tmp_path: Path) -> Iterator[None]:
    """An installed plugin with that sampler."""
    write_plugin(tmp_path, "long_ago", LONG_AGO)
    with available(tmp_path, "long_ago"):
        yield


@dataclass(frozen=True)
class WrongDefault:
    """A whole number that is text."""

    count: int = "many"  # type: ignore[assignment]


def test_a_default_of_another_type_is_named() -> None:
    kind = type("Wrong", (Odd,), {"Config": WrongDefault, "__module__": "mine"})
    with pytest.raises(
        MusictkError, match=r"^mine\.Wrong\.Config has the default count='many' and"
    ):
        make_component(kind, {}, tokenizer("remi"))


@pytest.mark.usefixtures("long_ago")
def test_a_history_that_is_no_number_is_named() -> None:
    message = r"sampler 'long-ago' has the history 'many'.*; .*musictk\.testing\.samplers"
    with pytest.raises(MusictkError, match=message):
        make_chain([("long-ago", {})], tokenizer("remi"))
    kind = registry().load("sampler", "long-ago")
    for law in LAWS:
        with pytest.raises(AssertionError, match="history is 'many' and not a number of positions"):
            law(kind(kind.Config(), tokenizer("remi")))


@pytest.mark.parametrize("law", LAWS)
def test_laws_of_samplers_name_what_is_no_array(law: Law) -> None:
    with pytest.raises(AssertionError, match="list is returned and not an array"):
        law(WithHistory(lambda logits, history: logits.tolist()))


@pytest.mark.parametrize("law", LAWS)
def test_laws_of_samplers_include_an_empty_history(law: Law) -> None:
    def last(logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        return (logits - 0 * history[:, -1][:, None]).astype(np.float32)

    law(WithHistory(lambda logits, history: logits))
    with pytest.raises(IndexError):
        law(WithHistory(last))


def test_unknown_samplers_and_settings_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'top-k'"):
        make_chain([("topk", {})], tokenizer("remi"))
    with pytest.raises(UnknownNameError, match="temperature"):
        make_chain([("temperature", {"temprature": 1})], tokenizer("remi"))
