"""Where the ticks of a score are on a tokenizer's time grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.metrics import Metrics

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """The B bars of one score on the grid, and where its ticks fall.

    From each anchor on, (K,), the source's ticks run evenly from a tick of the grid.
    """

    metrics: Metrics
    quarter: int  # ticks of a quarter note in the source
    step: int  # ticks between two positions of every bar; 0 where bars differ in it
    begins: Ints  # (B,) ticks of the grid
    metre: Ints  # (B,) indices into metrics.known
    since: Ints  # (K,) ticks of the source
    source: Ints  # (K,) a tick of the source
    target: Ints  # (K,) the tick of the grid that it falls on

    def snap(self, ticks: Ints) -> Ints:
        """(N,) the tick of the position nearest to each tick of the source; half is up.

        What is beyond the bars is placed at the last bar line.
        """
        if not self.step:
            return self._snap_in_bars(ticks)
        span = self.step * self.quarter
        nearest = self._exact(ticks)
        nearest *= 2
        nearest += span
        nearest //= 2 * span
        np.maximum(nearest, 0, out=nearest)
        np.minimum(nearest, int(self.begins[-1]) // self.step, out=nearest)
        nearest *= self.step
        return nearest

    @cached_property
    def denominators(self) -> list[int]:
        """Those of the metres of the bars, ascending."""
        used = np.bincount(self.metre).nonzero()[0].tolist()
        return sorted({self.metrics.known[metre][1] for metre in used})

    def bars(self, ticks: Ints) -> Ints:
        """(N,) the number of the bar that each tick of the grid is in."""
        return self.begins.searchsorted(ticks, "right") - 1

    def positions(self, ticks: Ints, bar: Ints) -> Ints:
        """(N,) the position of each tick of the grid in its bar."""
        return (ticks - self.begins[bar]) // (self.step or self.metrics.steps[self.metre[bar]])

    def _snap_in_bars(self, ticks: Ints) -> Ints:
        """`snap` where bars differ in the distance of their positions."""
        begins = self.begins * self.quarter
        exact = self._exact(ticks).clip(0, int(begins[-1]))
        bar = begins.searchsorted(exact, "right") - 1
        metre = self.metre[bar]
        step = (self.metrics.steps * self.quarter)[metre]
        position = (2 * (exact - begins[bar]) + step) // (2 * step)
        over = position * step >= (self.metrics.lengths * self.quarter)[metre]
        bar += over
        position[over] = 0
        return self.begins[bar] + position * self.metrics.steps[self.metre[bar]]

    def _exact(self, ticks: Ints) -> Ints:
        """Each tick of the source on the grid, times `quarter`; a new array."""
        rate, quarter = self.metrics.quarter, self.quarter
        if len(self.since) == 1:
            exact = ticks * rate
            exact += int(self.target[0]) * quarter - int(self.source[0]) * rate
            return exact
        index = np.maximum(self.since.searchsorted(ticks, "right") - 1, 0)
        exact = (ticks - self.source[index]) * rate + self.target[index] * quarter
        return np.minimum(exact, np.append(self.target[1:], 1 << 40)[index] * quarter)
