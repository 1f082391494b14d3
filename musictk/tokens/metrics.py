"""The metres of a vocabulary on a tokenizer's time grid."""

from __future__ import annotations

from functools import cached_property
from math import gcd

import numpy as np

Metre = tuple[int, int]

# Over 3,319 scores these are as long as all but 0.1 % of the bars; 2/2, 3/2 and 4/8 are among them
# as 4/4, 6/4 and 2/4.
METRES: tuple[Metre, ...] = (
    *((1, 4), (2, 4), (3, 4), (4, 4), (5, 4), (6, 4), (8, 4), (9, 4)),
    *((1, 8), (3, 8), (5, 8), (6, 8), (7, 8), (9, 8), (12, 8)),
    *((1, 16), (3, 16), (9, 16)),
)


class Metrics:
    """The metres of a vocabulary at a resolution, and sums of them for other lengths."""

    def __init__(self, known: tuple[Metre, ...], quarter: int, steps: tuple[int, ...] = ()) -> None:
        """`steps`: ticks between two positions in each metre; without them every tick is one.

        Raises ValueError for a metre that has no whole number of ticks.
        """
        if any(4 * quarter * over % under for over, under in known):
            raise ValueError(f"{quarter} ticks a quarter note are too few for {known}")
        self.known, self.quarter = known, quarter
        self.lengths = np.array([4 * quarter * over // under for over, under in known])  # ticks
        self.steps = np.array(steps or [1] * len(known))
        common = gcd(*self.lengths.tolist())
        self.unit = common if common <= quarter else 1  # bar lines move to multiples of it
        self._index = {metre: index for index, metre in enumerate(known)}
        self._common, self._longest = common, int(self.lengths.max())
        self._found: dict[tuple[int, int], list[int] | None] = {}

    def parts(self, length: int, near: int) -> list[int] | None:
        """The fewest metres that last `length` ticks together, by index: of whole beats of
        `near` and alike in length, the longest first.

        Of metres of one length that with the denominator nearest to `near`. None where none do.
        """
        key = length, near
        if key not in self._found:
            self._found[key] = self._parts(length, near)
        return self._found[key]

    def one(self, over: int, under: int) -> int | None:
        """The index of the metre itself or, where it is not known, of one with bars as long."""
        if (over, under) in self._index:
            return self._index[over, under]
        if 4 * self.quarter * over % under:
            return None
        found = self.parts(4 * self.quarter * over // under, under)
        return found[0] if found and len(found) == 1 else None

    def _parts(self, length: int, near: int) -> list[int] | None:
        whole, rest, beat = 0, length, 4 * self.quarter
        if length % self._common:
            return None
        if (excess := length - (len(self._fewest) - 1) * self._common) > 0:
            whole = -(-excess // self._longest)
            rest -= whole * self._longest
        lengths = [self._longest] * whole
        while rest:
            count = self._fewest[rest // self._common]
            if count is None:
                return None
            large = (each for each in self._descending if each * count >= rest)
            leading = [each for each in large if self._leads(rest, each)]
            lengths.append(min(leading, key=lambda each: (each * near % beat > 0, each)))
            rest -= lengths[-1]
        return [self._named(each, near) for each in sorted(lengths, reverse=True)]

    @cached_property
    def _descending(self) -> list[int]:
        return sorted(set(self.lengths.tolist()), reverse=True)

    @cached_property
    def _fewest(self) -> list[int | None]:
        """By number of common units: the smallest number of metres that last as long."""
        fewest: list[int | None] = [0]
        sizes = [length // self._common for length in self._descending]
        for total in range(1, 8 * max(sizes) + 1):
            counts = [fewest[total - size] for size in sizes if size <= total]
            known = [count for count in counts if count is not None]
            fewest.append(min(known) + 1 if known else None)
        return fewest

    def _leads(self, rest: int, length: int) -> bool:
        if length > rest:
            return False
        now, then = (self._fewest[each // self._common] for each in (rest, rest - length))
        return now is not None and then is not None and then == now - 1

    def _named(self, length: int, near: int) -> int:
        same = np.flatnonzero(self.lengths == length).tolist()
        return int(min(same, key=lambda index: abs(self.known[index][1] - near)))


def bar_metrics(quarter: int, beats: int = 0) -> Metrics:
    """Metrics with bars of `beats` quarter notes; 0: of all METRES that fit the resolution."""
    fitting = tuple(each for each in METRES if 4 * quarter * each[0] % each[1] == 0)
    return Metrics(((beats, 4),) if beats else fitting, quarter)
