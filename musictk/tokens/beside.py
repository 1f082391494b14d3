"""Rows to learn accompaniment from: a part of the music is given one bar ahead of another part.

A row is `G0 G1 W0 G2 W1 … Gn Wn-1 Wn`: whole bars of the part that is given (G) and of the part to
write (W). So each bar is written after the other part of the same bar and of the next one, which
are near: a body that sees only the last positions sees them too. Only W is predicted. The last
position of a bar of W predicts the first one of the next bar of W, before the G between them.

In some rows W is written between bars of its own part, as in `musictk.tokens.infill`: the bars
after those to write are given too, before the last bar of the past.

The interleaving of control and music follows Thickstun et al. 2023, "Anticipatory Music
Transformer", arXiv 2306.08620, here in whole bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.augment import Augment
from musictk.tokens.bar_table import BarTable, Ids
from musictk.tokens.batch import Row
from musictk.tokens.infill import InfillRows, draw_gap
from musictk.tokens.shards import Shard
from musictk.tokens.space import Tokens

# The kinds of bars in a row: of the part that is given, of the part to write, and those of the
# part to write that are given although they come later.
Kind = Literal["given", "written", "later"]
GIVEN_PART: Kind = "given"
WRITTEN: Kind = "written"
LATER: Kind = "later"


class Block(NamedTuple):
    """A bar of one of the two parts."""

    kind: Kind
    bar: int


class Later(NamedTuple):
    """Bars of the part to write that are given although they come later."""

    bars: range = range(0)
    before: int = 0  # the bar of the part to write that is read after them


NONE_LATER = Later()


def interleave(first: int, stop: int, given: int, later: Later = NONE_LATER) -> Iterator[Block]:
    """The blocks of a row in order: the bars from `first` to `stop` of the part to write, each
    after its own bar and the next of the other part, of which there are `given`.

    Bars of the part to write that come `later` are before one of these bars, and before those of
    the other part that it needs.
    """
    fed = first
    for bar in range(first, stop):
        if bar == max(later.before, first):
            yield from (Block(LATER, each) for each in later.bars)
        for ahead in range(fed, min(bar + 2, given)):
            yield Block(GIVEN_PART, ahead)
        fed = max(fed, min(bar + 2, given))
        yield Block(WRITTEN, bar)


@dataclass(frozen=True)
class TwoParts:
    """Two parts of a shard's pieces, and how often rows are made of them."""

    shard: Shard  # entries 2i and 2i + 1 are two parts of one piece, with the same bars
    bars: BarTable  # of its entries
    of: NDArray[np.int64]  # (P,) the i of each of the P pieces; -1 for one that has no two parts
    rate: float  # of the rows of pieces that have them
    role: int  # the column of the ids that says which bars are given
    given: int  # its id for those
    infill: InfillRows | None = None  # of these rows, those with later bars of the part to write


@dataclass(frozen=True)
class RowBars:
    """The bars of a row: from `first` to `stop` of the part to write, and those of the other."""

    first: int
    stop: int
    gap: int = 0  # how many of them, the last, are to write between given ones
    later: int = 0  # bars of this part after them that are given

    @property
    def until(self) -> int:
        """The end of all bars of the part to write."""
        return self.stop + self.later

    def blocks(self, given: int) -> Iterator[Block]:
        """The blocks of the row in order; the other part has `given` bars."""
        near = max(self.stop - self.gap - 1, self.first)
        later = Later(range(self.stop, self.until), near)
        return interleave(self.first, self.stop, given, later)


class Beside:
    """Draws rows in which a part is given, from the parts of pieces."""

    def __init__(self, parts: TwoParts, augment: Augment | None) -> None:
        self._parts, self._augment = parts, augment
        self._tokens = isinstance(parts.shard.space, Tokens)

    def draw(self, piece: int, length: int, rng: np.random.Generator) -> Row | None:
        """With the chance of `TwoParts.rate` a row of at most `length` positions; else None.

        It begins at a random bar of the piece. Either part is the one that is given. None also
        where two of its bars are longer than half a row.
        """
        which = int(self._parts.of[piece])
        if which < 0 or rng.random() >= self._parts.rate:
            return None
        given = 2 * which + int(rng.integers(2))
        edges = self.edges(given), self.edges(given ^ 1)
        left = edges[0][-1] - edges[0] + edges[1][-1] - edges[1]  # positions from each bar on
        latest = max(int((left >= length).sum()) - 1, 0)  # later rows would be shorter
        first = min(int(rng.integers(len(left) - 1)), latest)
        stop = min(int((left > left[first] - length).sum()), len(left) - 1)
        if edges[0][min(first + 2, len(left) - 1)] - edges[0][first] > length // 2:
            return None  # it would be of the given part only
        bars = self._between(left[first] - left, first, length, rng) or RowBars(first, stop)
        return self.row(given, bars, length, rng)

    def _between(
        self, size: NDArray[np.int64], first: int, length: int, rng: np.random.Generator
    ) -> RowBars | None:
        """Bars from `first` on of which the last are given and those before them written; None
        without the chance of `InfillRows.rate`.

        `size` (N + 1,) is that of a row up to each bar line: this one is whole.
        """
        infill = self._parts.infill
        if infill is None or rng.random() >= infill.rate:
            return None
        until = int((size < length).sum()) - 1  # with room for the start of a piece
        drawn = draw_gap(until - first, rng)
        if drawn is None:
            return None
        start, stop = (first + each for each in drawn)
        return RowBars(first, stop, gap=stop - start, later=until - stop)

    def edges(self, part: int) -> NDArray[np.int64]:
        """(N + 1,) where the N bars of a part begin, and where the last one ends."""
        table, offsets = self._parts.bars, self._parts.shard.offsets
        starts = table.starts[int(table.offsets[part]) : int(table.offsets[part + 1])]
        return np.concatenate([[0], starts[1:], offsets[part + 1 : part + 2] - offsets[part]])

    def row(self, part: int, bars: RowBars, length: int, rng: np.random.Generator) -> Row:
        """The row with these bars, or what `length` positions hold of them; `part` is given."""
        parts = part, part ^ 1
        edges = self.edges(part), self.edges(part ^ 1)
        first, (given, written) = bars.first, edges
        last = min(bars.stop + 1, len(given) - 1)  # of the bars that are given
        begin = int(given[last] - given[first])  # of the part to write, in the music of both
        music, semitones = self._music(parts, edges, first, (last, bars.until), rng)
        order, written_here, found = [], [], []
        for kind, number in bars.blocks(last):
            at = given - given[first] if kind == GIVEN_PART else written - written[first] + begin
            order.append(np.arange(at[number], at[number + 1]))
            size = len(order[-1])
            written_here.append(np.full(size, kind == WRITTEN))
            found.append(np.full(size, 2 * (number - first) + (kind != GIVEN_PART)))
            if kind == WRITTEN and not self._tokens:  # a frame belongs to the bar of the next one
                found[-1][-1] += 0 if bars.later and number + 1 == bars.stop else 2
        place, predicts, bar = map(np.concatenate, (order, written_here, found))
        if bars.later and not self._tokens:
            predicts[-1] = False  # the frame after the bars does not depend on them alone
        before = int(np.flatnonzero(predicts)[0]) - 1  # predicts the first position of the part
        predicts[before] = True
        target = np.where(predicts, place + 1, 0)
        target[before] = begin
        predicts &= target < len(music)  # the last frame of a piece predicts nothing
        start = self._parts.shard.space.start(1)[0] if first == 0 else music[:0]
        lead = len(start)
        kept = slice(length)
        ids = self._ids(parts, bars, int(bar.max()) // 2 + 1, semitones)
        return Row(
            np.concatenate([start, music[place]])[kept],
            np.concatenate([start, music[np.minimum(target, len(music) - 1)]])[kept],
            np.concatenate([np.zeros(lead, bool), predicts])[kept],
            ids,
            np.concatenate([np.zeros(lead, np.int64), bar])[kept],
            semitones,
        )

    def _music(
        self,
        parts: tuple[int, int],
        edges: tuple[NDArray[np.int64], NDArray[np.int64]],
        first: int,
        stops: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[NDArray[Any], int]:
        """The bars of the given part, then those of the part to write and the position after them;
        and the semitones by which both were transposed."""
        shard = self._parts.shard
        found = []
        for part, own, stop, more in zip(parts, edges, stops, (0, 1), strict=True):
            low, high = int(own[first]), min(int(own[stop]) + more, int(own[-1]))
            offset = int(shard.offsets[part])
            found.append(shard.crop(offset + low, offset + high))
        music, semitones = np.concatenate(found), 0
        if self._augment is not None:
            music, semitones = self._augment(music, rng)
        if isinstance(shard.space, Tokens) and stops[1] == len(edges[1]) - 1:
            music = np.append(music, shard.space.eos)
        return music, semitones

    def _ids(self, parts: tuple[int, int], bars: RowBars, count: int, semitones: int) -> Ids:
        """(2 · count, S) ids of the bars of both parts in turn, those that are given marked."""
        table = self._parts.bars
        ids = np.zeros((2 * count, table.ids.shape[1]), np.uint8)
        for row, part in enumerate(parts):
            low = int(table.offsets[part]) + bars.first
            own = table.ids[low : min(low + count, int(table.offsets[part + 1]))]
            ids[row : row + 2 * len(own) : 2] = table.transpose(own, semitones)
        ids[::2, self._parts.role] = self._parts.given
        infill = self._parts.infill
        if infill is not None and bars.later:
            own, stop = ids[1::2], bars.stop - bars.first
            own[stop:, infill.role] = infill.after
            own[stop - bars.gap : stop, infill.remaining] = np.arange(bars.gap, 0, -1)
        return ids
