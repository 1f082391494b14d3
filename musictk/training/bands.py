"""Bands of positions in a piece, to report the loss at the beginning of pieces separately."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_FIRSTS = (0, 1, 8, 64)  # the first position of each band; 0 is the one after bos
NAMES = ("0", "1-7", "8-63", "later")


def of(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The band of each position, an index into `NAMES`."""
    return np.searchsorted(_FIRSTS, positions, "right") - 1


def means(nats: NDArray[np.float64], positions: NDArray[np.int64]) -> dict[str, float]:
    """Nats per position of each band, by name; a band without positions is left out."""
    totals = zip(NAMES, nats.tolist(), positions.tolist(), strict=True)
    return {name: cost / count for name, cost, count in totals if count}


def describe(by_position: Mapping[str, float]) -> str:
    """`0: 0.03, 1–7: 2.48, 8–63: 1.30, later: 1.10`."""
    return ", ".join(f"{name.replace('-', '–')}: {nats:.2f}" for name, nats in by_position.items())
