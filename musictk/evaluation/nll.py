"""Nats by unit, with bootstrap confidence intervals over pieces (Efron & Tibshirani 1993)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean, and where it would fall in 95 % of corpora like this one."""

    mean: float
    low: float
    high: float


def per_unit(nats: NDArray[np.float64], units: NDArray[np.float64], seed: int = 0) -> Interval:
    """Total nats over total units (tokens, notes, seconds), pieces resampled; (P,) and (P,)."""
    means = _resampled(nats, len(nats), seed) / _resampled(units, len(nats), seed)
    return _interval(float(nats.sum() / units.sum()), means)


def difference(
    nats: NDArray[np.float64],
    other: NDArray[np.float64],
    units: NDArray[np.float64],
    seed: int = 0,
) -> Interval:
    """`nats - other` per unit, on the same pieces: paired, so what is hard for both cancels."""
    return per_unit(nats - other, units, seed)


def _resampled(values: NDArray[np.float64], pieces: int, seed: int) -> NDArray[np.float64]:
    """(DRAWS,) sums over pieces drawn with replacement; equal seeds draw equal pieces."""
    rng = np.random.default_rng(seed)
    # How often each piece is drawn, not which: (DRAWS, P) small integers.
    counts = rng.multinomial(pieces, np.full(pieces, 1 / pieces), DRAWS)
    return np.asarray(counts @ values, np.float64)


def _interval(mean: float, draws: NDArray[np.float64]) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(mean, float(low), float(high))
