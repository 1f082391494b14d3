"""The part that is given while another is written beside it, and the contexts of both."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Tokenizer
from musictk.tokens.beside import GIVEN_PART, LATER, Later, interleave

Ints = NDArray[np.int64]


class GivenAfter(NamedTuple):
    """The music after the bars to write, of the part that is written."""

    sequence: NDArray[Any]  # may be empty
    before: int  # the bar that is read after it


class GivenPart:
    """A part of whole bars. A bar of the other part is written after its own and the next one."""

    def __init__(self, tokenizer: Tokenizer, sequence: NDArray[Any]) -> None:
        starts = tokenizer.bar_starts(sequence)
        self._sequence = sequence
        self._edges = np.concatenate([[0], starts[1:], [len(sequence)]])[: len(starts) + 1]
        self._start = tokenizer.space.start(1)[0]

    def __len__(self) -> int:
        """The number of its bars."""
        return max(len(self._edges) - 1, 0)

    def needed(self, bar: int) -> int:
        """How many of its bars come before bar `bar` of the other part, counted from 0."""
        return min(bar + 2, len(self))

    def bars(self, first: int, stop: int) -> tuple[NDArray[Any], Ints]:
        """The positions of its bars `first` to `stop`, and the bar of each."""
        edges = self._edges[first : stop + 1]
        return self._sequence[edges[0] : edges[-1]], np.repeat(
            np.arange(first, stop), np.diff(edges)
        )

    def interleaved(
        self, written: NDArray[Any], bars: Ints, capacity: int, after: GivenAfter
    ) -> tuple[NDArray[Any], Ints, Ints]:
        """What a context of at most `capacity` positions begins with: both parts, as in training.

        `written` is the other part so far, and `bars` (T,) the bar of each of its positions.
        Returns the positions, and two indices of each, of which one is -1: of the position among
        those of `written` and `after`, and of the bar of this part. It begins with the piece, or,
        if that is too long, at a bar with some room left, so that cutting is rare.
        """
        now = int(bars[-1]) if len(bars) else 0
        own = np.searchsorted(bars, np.arange(now + 2))
        given = self._edges[np.minimum(np.arange(now + 2), len(self))]
        length = len(written) - own + self._edges[self.needed(now)] - given  # from each bar on
        length += len(after.sequence)
        first, keep = 0, capacity
        if length[0] >= capacity:
            keep = len(after.sequence) + (capacity - len(after.sequence)) * 5 // 8
            first = min(int((length > keep).sum()), now)
        start = self._start if first == 0 and keep == capacity else self._start[:0]
        parts, places, mine = [start], [np.full(len(start), -1)], [np.zeros(len(start), np.int64)]
        later = Later(range(len(after.sequence) > 0), min(after.before, now))  # as one block
        for block in interleave(first, now + 1, len(self), later):
            if block.kind == GIVEN_PART:
                music, bar = self.bars(block.bar, block.bar + 1)
                place = np.full(len(music), -1)
            elif block.kind == LATER:
                music, bar = after.sequence, np.full(len(after.sequence), -1)
                place = len(written) + np.arange(len(music))
            else:
                place = np.arange(own[block.bar], own[block.bar + 1])
                music, bar = written[place], np.full(len(place), -1)
            parts.append(music)
            places.append(place)
            mine.append(bar)
        sequence, place, bar = map(np.concatenate, (parts, places, mine))
        return sequence[-keep:], place[-keep:], bar[-keep:]
