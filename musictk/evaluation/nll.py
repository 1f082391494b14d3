"""Nats per unit, with bootstrap confidence intervals over works (Efron & Tibshirani 1993).

Clusters are resampled, not pieces, because the performances of one work are not independent. For
few clusters the quantiles are widened as by Student's t (expanded percentile intervals; Hesterberg
2015).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
_BLOCK = 1 << 18  # numbers drawn at a time: memory does not grow with the corpus


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def per_unit(
    nats: NDArray[np.float64],
    units: NDArray[np.float64],
    seed: int = 0,
    clusters: Sequence[Hashable] = (),
) -> Interval:
    """Total `nats` over total `units` (tokens, notes or seconds), both (P,).

    Pieces with equal `clusters`, (P,), are resampled together; without it every piece is a cluster.
    """
    sums = _by_cluster(np.stack([nats, units], 1), clusters)
    draws = _resampled(sums, seed)
    return _interval(float(nats.sum() / units.sum()), draws[:, 0] / draws[:, 1], len(sums))


def difference(
    nats: NDArray[np.float64],
    other: NDArray[np.float64],
    units: NDArray[np.float64],
    clusters: Sequence[Hashable] = (),
) -> Interval:
    """`nats - other` per unit, paired on the same pieces; see `per_unit`."""
    return per_unit(nats - other, units, clusters=clusters)


def _by_cluster(values: NDArray[np.float64], clusters: Sequence[Hashable]) -> NDArray[np.float64]:
    """(C, 2) sums of the pieces' (P, 2) values."""
    if not clusters:
        return values
    number: dict[Hashable, int] = {}
    owners = [number.setdefault(cluster, len(number)) for cluster in clusters]
    columns = [np.bincount(owners, weights, len(number)) for weights in values.T]
    return np.stack(columns, 1)


def _resampled(sums: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """(DRAWS, 2) sums over clusters drawn with replacement; equal seeds draw equal clusters."""
    rng = np.random.default_rng(seed)
    count = len(sums)
    rows = max(1, _BLOCK // count)
    chances = np.full(count, 1 / count)
    blocks = [
        # How often each is drawn, not which: (rows, C) small integers.
        rng.multinomial(count, chances, min(rows, DRAWS - start)) @ sums
        for start in range(0, DRAWS, rows)
    ]
    return np.concatenate(blocks)


def _interval(mean: float, draws: NDArray[np.float64], count: int) -> Interval:
    tail = _tail(count)
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(mean, float(low), float(high))


def _tail(count: int) -> float:
    """The fraction of draws outside the interval on either side, for `count` clusters."""
    if count < 2:
        return (1 - LEVEL) / 2
    normal = NormalDist()
    z, degrees = normal.inv_cdf((1 + LEVEL) / 2), count - 1
    # Student's quantile by its expansion (Abramowitz & Stegun 26.7.5), to 4 % from 3 clusters on.
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    student = z + first / degrees + second / degrees**2 + third / degrees**3
    return normal.cdf(-sqrt(count / degrees) * student)
