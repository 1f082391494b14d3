"""Cut pieces into windows so that every position of a piece is in as many of them as any other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST = 8  # the first cut may fall in at least an eighth of a window


@dataclass(frozen=True)
class Cuts:
    """How each of P pieces is cut into consecutive windows of `length` positions.

    A piece is cut at every `length` positions, from a phase that is drawn: the first window begins
    that many positions before the piece. Whatever the phase, each position is in exactly one of the
    piece's `count` windows; so a window drawn uniformly, from a phase drawn uniformly, holds every
    position with the same chance, the first and the last included.

    The phases are those that need the fewest windows, because each window costs as much as a full
    one. Where that leaves hardly any choice of cuts there is one more window, so that no position
    begins a window every time. A piece that fits in one window is never cut.
    """

    length: int
    count: NDArray[np.int64]  # (P,) windows of a piece, at any of its phases
    first: NDArray[np.int64]  # (P,) the lowest phase
    phases: NDArray[np.int64]  # (P,) how many phases there are, from `first` on

    @property
    def choices(self) -> NDArray[np.int64]:
        """(P,) pairs of a phase and a window, all of them equally likely."""
        return self.count * self.phases

    @property
    def rows(self) -> int:
        """Crops that hold every position of every piece once."""
        return int(self.count.sum())

    def starts(self, pieces: NDArray[np.int64], choices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) where window `choices[i]` of `pieces[i]` begins: below 0 where the phase says so."""
        count = self.count[pieces]
        return choices % count * self.length - (self.first[pieces] + choices // count)


def cut(positions: NDArray[np.int64], length: int) -> Cuts:
    """Cut pieces of so many positions, (P,); a piece of none has no window."""
    count = -(-positions // length)
    tight = (positions > length) & (count * length - positions < length // _LEAST)
    count = count + tight
    first = np.maximum((count - 1) * length - positions + 1, 0)
    last = np.minimum(count * length - positions, length - 1)
    return Cuts(length, count, first, last - first + 1)
