"""Bars on a tokenizer's time grid, in the metres of its vocabulary.

Time is quantised once, from the ticks of the score, by exact integer arithmetic. The bars are those
of `musictk.music`, each in a metre of the same length. Three things differ from the score:

- An opening bar shorter than the bars after it becomes a whole bar with its music at the end.
- A bar that no metre has the length of becomes several, the longest first (7/4: 4/4 and 3/4).
- A bar whose length no sum of metres has is moved by up to half of the common unit of all metres,
  or is joined with the bars after it; later bar lines are exact again.
"""

from __future__ import annotations

import numpy as np
from symusic.core import ScoreTick

from musictk.music import Metres, metres
from musictk.tokens.grid import Grid
from musictk.tokens.metrics import Metrics

_MOST_BARS = 100_000  # of a grid


def grid_of(metrics: Metrics, score: ScoreTick, last: int) -> Grid:
    """The bars of a score up to its tick `last`, and two more.

    Raises ValueError past 100,000 bars.
    """
    end = max(last, 0) + 1
    found = metres(score).before(end)
    counts = found.counts(end)
    _check(int(counts.sum()))
    walk = _Walk(metrics, found, counts.tolist())
    walk.cover(end)
    return walk.grid()


class _Walk:
    """Places the bars of a score one after the other."""

    def __init__(self, metrics: Metrics, found: Metres, counts: list[int]) -> None:
        self._metrics, self._quarter = metrics, found.quarter
        self._runs: list[tuple[int, int]] = []  # (metre, bars)
        self._bars = 0  # their number
        self._reached = 0  # the tick of the grid up to which bars are placed
        self._anchors = [(0, 0, 0)]
        self._moved = False  # whether the last bar line was moved
        columns = (found.start, found.numerator, found.denominator)
        sections = list(zip(*(column.tolist() for column in columns), counts, strict=True))
        for index, (start, over, under, count) in enumerate(sections):
            following = sections[index + 1] if index + 1 < len(sections) else None
            if index == 0 and following and count == 1 and self._open(following):
                continue
            if len(metrics.known) > 1:  # bars of one length throughout need no more
                self._lay(start, over, under, count, following[0] if following else None)

    def _open(self, following: tuple[int, int, int, int]) -> bool:
        """An opening bar shorter than those that follow: a whole bar, with its music at the end."""
        stop, over, under, _ = following
        if stop * under >= 4 * self._quarter * over:
            return False
        unit = self._metrics.unit
        whole = (8 * self._metrics.quarter * over + unit * under) // (2 * unit * under) * unit
        self._anchors = [(0, stop, whole)]
        self._close(whole, under)
        return True

    def _lay(self, start: int, over: int, under: int, count: int, stop: int | None) -> None:
        """The bars of one metre, the last of them up to the tick `stop` of the source."""
        bar, metre = 4 * self._quarter * over, self._metrics.one(over, under)
        full = count
        if stop is not None and (stop - start) * under <= count * bar - under:
            full = count - 1  # it is cut by a tick or more
        for number in range(1, full + 1):
            if metre is not None and self._at(start * under + (number - 1) * bar, under):
                self._run(metre, full - number + 1)
                break
            self._bar(start * under + number * bar, under, under)
        if stop is not None and full < count:
            self._bar(stop, 1, under)
        elif stop is not None:
            self._anchor(stop, 1)

    def _at(self, tick: int, scale: int) -> bool:
        """Whether bars are placed up to this tick of the source."""
        return self._target(tick, scale)[0] == self._reached

    def _run(self, metre: int, count: int) -> None:
        self._bars += count
        _check(self._bars)
        self._runs.append((metre, count))
        self._reached += count * int(self._metrics.lengths[metre])

    def _bar(self, tick: int, scale: int, near: int) -> None:
        """Add bars up to the tick `tick / scale`, or wait for the next if no metres fit."""
        target, _ = self._target(tick, scale)
        self._close(target, near)
        self._anchor(tick, scale)

    def _close(self, target: int, near: int) -> None:
        for metre in self._metrics.parts(max(target - self._reached, 0), near) or ():
            self._run(metre, 1)

    def _anchor(self, tick: int, scale: int) -> None:
        """Anchor the bar line at `tick / scale`, and the music after it, to the grid."""
        target, exact = self._target(tick, scale)
        if self._moved or not exact:
            self._anchors.append((tick // scale, tick // scale, target))
        self._moved = not exact

    def _target(self, tick: int, scale: int) -> tuple[int, bool]:
        """The position of the tick `tick / scale` on the grid, rounded to the unit of bars (half is
        up), and whether it is exact."""
        _, source, target = self._anchors[0]
        unit, below = self._metrics.unit, self._quarter * scale
        above = target * below + (tick - source * scale) * self._metrics.quarter
        nearest = (2 * above + unit * below) // (2 * unit * below) * unit
        return nearest, nearest * below == above

    def cover(self, end: int) -> None:
        """Add bars up to at least the tick `end` of the source, and two more."""
        metrics = self._metrics
        wanted = self._target(end, 1)[0] + metrics.unit
        metre = self._runs[-1][0] if self._runs else int(np.argmax(metrics.lengths))
        short = max(wanted - self._reached, 0)
        self._run(metre, 2 + -(-short // int(metrics.lengths[metre])))

    def grid(self) -> Grid:
        """The grid of all bars; an opening bar shorter than the next one is extended here."""
        metrics = self._metrics
        steps = {int(metrics.steps[metre]) for metre, _ in self._runs}
        metre = np.repeat(*np.array(self._runs, np.int64).T)
        anchors = np.array(self._anchors, np.int64).T
        short = int(metrics.lengths[metre[1]] - metrics.lengths[metre[0]]) if len(metre) > 1 else 0
        if short > 0:
            metre[0] = metre[1]
            anchors[2] += short
        begins = np.cumsum(metrics.lengths[metre]) - metrics.lengths[metre]
        step = steps.pop() if len(steps) == 1 else 0
        return Grid(metrics, self._quarter, step, begins, metre, *anchors)


def _check(bars: int) -> None:
    if bars > _MOST_BARS:
        raise ValueError(f"{bars} bars are more than {_MOST_BARS}")
