"""Check the laws of samplers. Each check raises AssertionError with the broken law.

@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("law", LAWS)
def test_my_sampler(law: Law, name: str) -> None:
    law(MySampler(MyConfig(), tokenizer(name)))

A sampler that only masks or scales logits keeps `order_is_kept` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation import Sampler
from musictk.plugin import registry
from musictk.tokens import Frames, Space, Tokenizer

Law = Callable[[Sampler], None]

TOKENIZERS = ("remi", "events", "pianoroll")  # two token spaces and one of frames
LENGTHS = (40, 0)  # of the history
_BATCH = 5


@cache
def tokenizer(name: str) -> Tokenizer:
    """The tokenizer of that name with default settings."""
    kind = registry().load("tokenizer", name)
    made: Tokenizer = kind(kind.Config())
    return made


def leaves_something(sampler: Sampler) -> None:
    """At least one finite logit of a row stays finite, no -inf becomes finite, nothing is NaN."""
    for logits, length in _cases(sampler.space):
        after = _apply(sampler, logits, length)
        assert after.shape == logits.shape, "the shape changed"
        assert after.dtype == np.float32, f"logits became {after.dtype}"
        assert not np.isnan(after).any(), "NaN came out of finite logits"
        assert (after < np.inf).all(), "+inf came out of finite logits"
        assert (after > -np.inf).any(1).all() or isinstance(sampler.space, Frames), (
            "nothing may follow"
        )
        assert (after[logits == -np.inf] == -np.inf).all(), "a masked token is allowed again"


def writes_nothing(sampler: Sampler) -> None:
    """The input is not modified."""
    for logits, length in _cases(sampler.space):
        before = logits.copy()
        _apply(sampler, logits, length)
        assert np.array_equal(logits, before), "the sampler wrote into its input"


def rows_are_independent(sampler: Sampler) -> None:
    """A row gives the same result in a batch and alone, bit for bit."""
    for logits, length in _cases(sampler.space):
        together = _apply(sampler, logits, length)
        for row in range(_BATCH):
            alone = _apply(sampler, logits[row : row + 1], length, row)
            assert np.array_equal(alone[0], together[row]), "a row depends on its neighbours"


def order_is_kept(sampler: Sampler) -> None:
    """The order of the logits that stay finite does not change."""
    for logits, length in _cases(sampler.space):
        after = _apply(sampler, logits, length)
        for row, changed in zip(logits, after, strict=True):
            kept = np.flatnonzero(changed > -np.inf)
            ranked = kept[np.argsort(row[kept], kind="stable")]
            assert (np.diff(changed[ranked].astype(np.float64)) >= 0).all(), "the order changed"


def changes_nothing(sampler: Sampler) -> None:
    """The sampler is the identity; for settings that disable it."""
    for logits, length in _cases(sampler.space):
        assert np.array_equal(_apply(sampler, logits, length), logits), "not the identity"


LAWS: tuple[Law, ...] = (leaves_something, writes_nothing, rows_are_independent)


def _cases(space: Space) -> Iterator[tuple[NDArray[np.float32], int]]:
    """(B, V) logits, and the length of the history: a piece may have none."""
    for length in LENGTHS:
        for logits in _rows(space):
            yield logits, length


def _rows(space: Space) -> list[NDArray[np.float32]]:
    """(B, V) logits: random, far apart, all equal, and with most or all but one masked."""
    rng = np.random.default_rng(7)
    size = space.classes
    plain = rng.normal(0, 2, (_BATCH, size)).astype(np.float32)
    masked = np.where(rng.random(plain.shape) < 0.9, np.float32(-np.inf), plain)
    masked[:, 3] = plain[:, 3]
    single = np.full_like(plain, -np.inf)
    single[np.arange(_BATCH), np.arange(_BATCH)] = plain[:, 0]
    return [plain, plain * 40, np.zeros_like(plain), masked, single]


def _apply(
    sampler: Sampler, logits: NDArray[np.float32], length: int, first: int = 0
) -> NDArray[np.float32]:
    """Apply the sampler with a random history for each row; `first` is the index of row 0."""
    rng, space = np.random.default_rng(8), sampler.space
    size = space.classes
    history: NDArray[Any] = rng.integers(3, size, (_BATCH, length))
    if isinstance(space, Frames):
        history = (rng.random((_BATCH, length, size)) < 0.05).astype(np.uint8)
    looks_back: Any = sampler.history
    assert isinstance(looks_back, int), f"history is {looks_back!r} and not a number of positions"
    after: Any = sampler(logits, history[first : first + len(logits)])
    kind = type(after).__name__
    assert isinstance(after, np.ndarray), f"{kind} is returned and not an array"
    return after
