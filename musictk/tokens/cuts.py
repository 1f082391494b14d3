"""Cut pieces into crops so that all positions of a piece are in equally many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST = 8  # the first cut varies by at least an eighth of a crop


@dataclass(frozen=True)
class Cuts:
    """How each of P pieces is cut into consecutive crops of `length` positions.

    A piece is cut at every `length` positions, from a random phase: the first crop begins that many
    positions before the piece. For every phase, each position is in exactly one of the piece's
    `count` crops; so a uniformly drawn crop of a uniformly drawn phase contains all positions with
    equal probability, including the first and the last.

    The phases are those that need the fewest crops, because a partial crop costs as much as a full
    one. If that leaves too few phases there is one more crop, so that pieces are not always cut at
    the same positions. A piece that fits in one crop is never cut.
    """

    length: int
    count: NDArray[np.int64]  # (P,) crops of a piece, at any of its phases
    first: NDArray[np.int64]  # (P,) the lowest phase
    phases: NDArray[np.int64]  # (P,) the number of phases, from `first` on

    @property
    def choices(self) -> NDArray[np.int64]:
        """(P,) the number of pairs of a phase and a crop, all equally likely."""
        return self.count * self.phases

    @property
    def rows(self) -> int:
        """The number of crops that contain every position of every piece once."""
        return int(self.count.sum())

    def starts(self, pieces: NDArray[np.int64], choices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) the start of crop `choices[i]` of `pieces[i]`; it may be below 0."""
        count = self.count[pieces]
        return choices % count * self.length - (self.first[pieces] + choices // count)


def cut(positions: NDArray[np.int64], length: int) -> Cuts:
    """Cut pieces of these numbers of `positions`, (P,); a piece of 0 positions has no crop."""
    count = -(-positions // length)
    tight = (positions > length) & (count * length - positions < length // _LEAST)
    count = count + tight
    first = np.maximum((count - 1) * length - positions + 1, 0)
    last = np.minimum(count * length - positions, length - 1)
    return Cuts(length, count, first, last - first + 1)
