"""Bars on a tokenizer's time grid, in the metres of its vocabulary.

Time is quantised once, from the ticks of the score, by exact integer arithmetic. The bars are those
of `musictk.music`, each in a metre of the same length. Three things differ from the score:

- An opening bar shorter than the bars after it becomes a whole bar with its music at the end.
- A bar that no metre has the length of becomes several, the longest first (7/4: 4/4 and 3/4).
- A bar whose length no sum of metres has is moved by up to half of the common unit of all metres,
  or is joined with the bars after it; later bar lines are exact again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.music import Metres, metres

Metre = tuple[int, int]
Ints = NDArray[np.int64]

MOST_BARS = 100_000
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

    def grid(self, score: ScoreTick, last: int) -> Grid:
        """The bars of a score up to its tick `last`, and two more.

        Raises ValueError past MOST_BARS.
        """
        end = max(last, 0) + 1
        found = metres(score).before(end)
        counts = found.counts(end)
        _check(int(counts.sum()))
        walk = _Walk(self, found, counts.tolist())
        walk.cover(end)
        return walk.grid()


def bar_metrics(quarter: int, beats: int = 0) -> Metrics:
    """Metrics with bars of `beats` quarter notes; 0: of all METRES that fit the resolution."""
    fitting = tuple(each for each in METRES if 4 * quarter * each[0] % each[1] == 0)
    return Metrics(((beats, 4),) if beats else fitting, quarter)


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
    if bars > MOST_BARS:
        raise ValueError(f"{bars} bars are more than {MOST_BARS}")
