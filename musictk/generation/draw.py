"""From logits to a sample: the chain of samplers, and the random numbers of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nextafter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError, located
from musictk.generation.sampler import Sampler, sampler_error
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.tokens import Frames, Space, Tokenizer

Logits = NDArray[np.float32]
_BLOCK = 1024
_FORBIDDEN = np.float32(-np.inf)  # faster in comparisons than a number of Python


class Noise:
    """Uniform numbers of one row: a pure function of (seed, row, how many were taken).

    Counter-based (Philox, Salmon et al. 2011), so no row's draws depend on another's.
    """

    def __init__(self, seed: int, row: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(key=[seed, row]))
        self._block = np.empty(0)
        self._next = 0

    def take(self, count: int) -> NDArray[np.float64]:
        """(count,) uniform in [0, 1)."""
        if self._next + count > len(self._block):
            rest = self._block[self._next :]
            self._block = np.append(rest, self._generator.random(max(_BLOCK, count)))
            self._next = 0
        self._next += count
        return self._block[self._next - count : self._next]


def make_chain(
    links: Sequence[tuple[str, Mapping[str, Any]]], tokenizer: Tokenizer
) -> list[Sampler]:
    """The samplers of a request, in its order; raises UsageError for an unknown name or setting."""
    kinds = [(registry().load("sampler", name), values) for name, values in links]
    return [make_component(kind, values, tokenizer) for kind, values in kinds]


def apply(chain: Sequence[Sampler], logits: Logits, history: NDArray[Any]) -> Logits:
    """`logits` after every link.

    Raises MusictkError naming a sampler that fails, whose logits cannot be sampled from, or that
    allows again what is forbidden.
    """
    if not chain:
        return logits
    after, writeable = logits, logits.flags.writeable
    logits.setflags(write=False)  # the caller uses them again where it draws another token
    try:
        for sampler in chain:
            after = _after(sampler, after, history)
        # It runs for every token, so only the result is checked; then each link is, once more.
        if _allows_more(after, logits) or not _valid(after, chain[0].space):
            _blame(chain, logits, history)
    finally:
        logits.setflags(write=writeable)
    return after


def _after(sampler: Sampler, logits: Logits, history: NDArray[Any]) -> Logits:
    try:
        after: Any = sampler(logits, history)
    except (MusictkError, MemoryError):
        raise
    except Exception as error:
        raise sampler_error(sampler, f"failed: {located(error)}") from error
    if isinstance(after, np.ndarray) and after.shape == logits.shape:
        if after.dtype.kind != "f":
            raise sampler_error(sampler, f"returned {after.dtype} instead of float32")
        return after
    shape = getattr(after, "shape", None)
    found = type(after).__name__ if shape is None else f"shape {tuple(shape)}"
    raise sampler_error(sampler, f"returned {found} instead of an array of shape {logits.shape}")


def _allows_more(after: Logits, before: Logits) -> bool:
    """Whether something has a probability that was forbidden."""
    return bool(np.count_nonzero((after > _FORBIDDEN) > (before > _FORBIDDEN)))


def _valid(logits: Logits, space: Space) -> bool:
    """Whether every row (B, V) can be sampled from. A frame may be silent."""
    low = -inf if isinstance(space, Frames) else nextafter(-inf, 0)
    return all(low <= top < inf for top in logits.max(1).tolist())


def _blame(chain: Sequence[Sampler], logits: Logits, history: NDArray[Any]) -> None:
    """Raise MusictkError for the first sampler that makes a valid row invalid.

    There is none where the model's own logits are invalid.
    """
    valid = [_valid(row[None], chain[0].space) for row in logits]
    after = logits
    for sampler in chain:
        after = _after(sampler, after.copy(), history)
        found = after[valid]
        if not all(_valid(row[None], sampler.space) for row in found):
            nan, high = np.isnan(found).any(), (found == np.inf).any()
            what = "returned NaN" if nan else "returned +inf" if high else "forbids every token"
            raise sampler_error(sampler, what)
        if _allows_more(after, logits):
            what = "pitch" if isinstance(sampler.space, Frames) else "token"
            raise sampler_error(sampler, f"allows a {what} that is forbidden")


def sample_tokens(logits: Logits, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B, V) logits and (B,) uniforms -> (B,) ids of the softmax, by its inverse CDF."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    cumulated = weights.cumsum(1, dtype=np.float64)
    total = cumulated[:, -1]
    _demand_finite(total)
    # Strictly between 0 and the total: an id of weight 0 is never drawn, however u is rounded.
    mark = np.minimum(uniform * total, np.nextafter(total, 0))
    return np.asarray(np.argmax(cumulated > mark[:, None], axis=1), np.int64)


def sample_token(logits: Logits, uniform: float) -> int:
    """One row of `sample_tokens`, (V,) logits, in less time; exactly the same id."""
    cumulated = np.exp(logits - logits.max()).cumsum(dtype=np.float64)
    total = float(cumulated[-1])
    _demand_finite(cumulated[-1:])
    mark = min(uniform * total, nextafter(total, 0.0))
    return int(cumulated.searchsorted(mark, "right"))


def sample_frames(logits: Logits, uniform: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(B, W) logits and uniforms -> (B, W) frames, each pitch an independent Bernoulli."""
    likely = 0.5 * (1 + np.tanh(0.5 * logits))
    _demand_finite(likely)
    return np.asarray(uniform < likely, np.uint8)


def nats(logits: Logits, position: Any) -> float:
    """-log p of a token, or of a frame (W,), by the (V,) logits of its prediction."""
    wide = logits.astype(np.float64)
    if np.ndim(position):
        return float((np.logaddexp(0, wide) - wide * position).sum())
    return float(np.logaddexp.reduce(wide) - wide[position])


def _demand_finite(values: NDArray[Any]) -> None:
    if np.isnan(values).any():
        raise MusictkError(
            "the model predicts NaN",
            "its training has diverged: choose another checkpoint or train with a lower rate",
        )
