"""The bars of a shard's pieces, and the ids of the bar controls of each bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class BarTable:
    """NB bars of P pieces; S ids of each bar: see `musictk.controls.Controls`."""

    offsets: NDArray[np.int64]  # (P + 1,) the bars of piece i are offsets[i] to offsets[i + 1]
    starts: NDArray[np.int64]  # (NB,) the position in its piece at which each bar begins
    ids: Ids  # (NB, S)
    transpose: Callable[[Ids, int], Ids]  # the ids (…, S) of the same music, transposed

    def lines(self, piece: int, low: int, high: int) -> NDArray[np.int64]:
        """The positions from `low` to `high` (inclusive) of a piece at which its bars begin."""
        starts = self.starts[int(self.offsets[piece]) : int(self.offsets[piece + 1])]
        return starts[np.searchsorted(starts, low) : np.searchsorted(starts, high, "right")]

    def rows(
        self, piece: int, positions: NDArray[np.int64], semitones: int
    ) -> tuple[Ids, NDArray[np.int64]]:
        """(N, S) ids of the bars of `positions` (T,) in a piece, and the (T,) row of each.

        A position before the first bar belongs to it.
        """
        low, high = int(self.offsets[piece]), int(self.offsets[piece + 1])
        if low == high:
            return np.zeros((1, self.ids.shape[1]), np.uint8), np.zeros(len(positions), np.int64)
        bars = np.searchsorted(self.starts[low:high], positions, "right") - 1
        bars = np.maximum(bars, 0)
        first = int(bars.min())
        ids = self.ids[low + first : low + int(bars.max()) + 1]
        return self.transpose(ids, semitones), bars - first
