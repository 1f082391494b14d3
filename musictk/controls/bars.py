"""The music of a piece, bar by bar, as controls measure it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.arrays import ranges
from musictk.music import Metres, Notes, bar_lines, metres, notes

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bars:
    """N bars of a score. Every array has a row for each bar, or for each note."""

    score: ScoreTick
    lines: Ints  # (N + 1,) ticks of the bar lines

    @staticmethod
    def of(score: ScoreTick, count: int) -> Bars:
        """The first `count` bars of a score, which may go on after its last note."""
        return Bars(score, np.array(bar_lines(score, count)[: count + 1], np.int64))

    def __len__(self) -> int:
        return len(self.lines) - 1

    @cached_property
    def notes(self) -> Notes:
        """All notes that begin in these bars, drums included."""
        found = notes(self.score)
        return found.where((found.start >= self.lines[0]) & (found.start < self.lines[-1]))

    @cached_property
    def pitched(self) -> Notes:
        """Those of tracks that are not drums."""
        drums = np.array([track.is_drum for track in self.score.tracks], bool)
        return self.notes.where(~drums[self.notes.track]) if drums.any() else self.notes

    @cached_property
    def metres(self) -> Metres:
        """The metres of the score."""
        return metres(self.score)

    @property
    def beats(self) -> NDArray[np.float64]:
        """(N,) the length of each bar in quarter notes."""
        return np.asarray(np.diff(self.lines) / max(self.score.ticks_per_quarter, 1))

    def edges(self, parts: int) -> Ints:
        """(N · parts + 1,) ticks: where equal parts of the bars begin, and the last one ends."""
        lengths = np.diff(self.lines)
        inner = self.lines[:-1, None] + lengths[:, None] * np.arange(parts) // parts
        return np.append(inner.ravel(), self.lines[-1])

    def bar_of(self, ticks: Ints) -> Ints:
        """The bar in which each tick is."""
        return np.asarray(np.searchsorted(self.lines, ticks, "right") - 1)

    def sounding(self, parts: int = 1) -> tuple[Ints, Ints, Ints]:
        """(M,) note, part and ticks: how long each pitched note sounds in each part of a bar."""
        edges, found = self.edges(parts), self.pitched
        first = np.searchsorted(edges, found.start, "right") - 1
        last = np.searchsorted(edges, np.maximum(found.end, found.start + 1), "left") - 1
        last = np.minimum(np.maximum(last, first), len(edges) - 2)
        counts = last - first + 1
        note = np.repeat(np.arange(len(found)), counts)
        part = ranges(counts) + first[note]
        starts = np.maximum(found.start[note], edges[part])
        ends = np.minimum(found.end[note], edges[part + 1])
        return note, part, np.maximum(ends - starts, 0)

    def classes(self, parts: int = 1) -> NDArray[np.float64]:
        """(N · parts, 12) quarter notes for which each pitch class sounds in each part of a bar."""
        note, part, ticks = self.sounding(parts)
        cell = part * 12 + self.pitched.pitch[note] % 12
        total = np.bincount(cell, ticks, len(self) * parts * 12)
        return np.asarray(total.reshape(-1, 12) / max(self.score.ticks_per_quarter, 1))
