"""Crops of pieces to train and score on: batches are pure functions of (seed, step).

Every piece is read as `bos x₀ … xₙ₋₁ eos` (frames: `empty f₀ … fₙ₋₁`). A crop is a run of it:
inputs are its positions, targets the positions one later. So bos is before a piece's first
position only, eos after its last, and neither in a crop from the middle. A crop that begins
before its piece begins the row with bos, as sampling does, and is padded at its end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musictk.arrays import ranges
from musictk.errors import MusictkError
from musictk.tokens.augment import Augment
from musictk.tokens.bar_table import BarTable
from musictk.tokens.batch import Batch, replaced
from musictk.tokens.beside import Beside, TwoParts
from musictk.tokens.cuts import Cuts, cut
from musictk.tokens.infill import Arrangement, InfillRows, arrange
from musictk.tokens.shards import Shard
from musictk.tokens.space import Tokens

# Of the drawing of crops. In version 1 crops missed the ends of pieces; in version 2 no bars after
# those to write were given beside another part.
VERSION = 3
Draw = Literal["positions", "pieces"]


class Crops:
    """Crops of a shard's pieces, with the condition ids of each.

    `conditions` is (P, K). `weights` (P,): the relative probability that a position of each piece
    is drawn; if `draw` is "pieces", that the piece is drawn. Within a piece every position is drawn
    equally often. `cache` is the number of unpacked pieces of frames to keep in memory. Some rows
    of `batch` are made of `parts` instead.
    """

    def __init__(
        self,
        shard: Shard,
        conditions: NDArray[np.int64],
        weights: NDArray[np.float64],
        augment: Augment | None = None,
        cache: int = 0,
        draw: Draw = "positions",
        bars: BarTable | None = None,
        infill: InfillRows | None = None,
        parts: TwoParts | None = None,
    ) -> None:
        pieces = len(shard.files)
        if len(conditions) != pieces or weights.shape != (pieces,):
            raise ValueError(f"{pieces} pieces need as many conditions and weights")
        self.shard, self.conditions, self.augment = shard, conditions, augment
        self._tokens = isinstance(shard.space, Tokens)
        self._lengths = shard.lengths
        ends = int(self._tokens)  # eos is predicted too
        self._predicted = np.where(self._lengths > 0, self._lengths + ends, 0)  # (P,)
        self._weights, self._draw, self._bars = weights, draw, bars
        self._infill = infill
        self._beside = None if parts is None else Beside(parts, augment)
        self._cut: tuple[Cuts, NDArray[np.float64]] | None = None  # the last length's
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._cache_size = cache

    @property
    def positions(self) -> int:
        """The number of positions that `cover` predicts: the shard's, and one eos per piece."""
        return int(self._predicted.sum())

    def chances(self, length: int) -> NDArray[np.float64]:
        """(P,) the probability of each piece for a crop of `length`; all 0 without music."""
        chances = np.diff(self._cuts(length)[1], prepend=0.0)
        return np.asarray(chances / (chances.sum() or 1.0))

    def starts(self, piece: int, length: int) -> NDArray[np.int64]:
        """The starts of the crops that `batch` draws of a piece, all equally likely.

        A start below 0 leaves fewer than `length` positions: the row begins with the piece.
        """
        cuts = self._cuts(length)[0]
        choices = np.arange(cuts.choices[piece])
        return cuts.starts(np.full(len(choices), piece), choices)

    def batch(self, seed: int, step: int, batch: int, length: int) -> Batch:
        """`batch` crops of `length` positions: equal arguments give equal crops."""
        cuts, cumulative = self._cuts(length)
        if not len(cumulative) or not cumulative[-1] > 0:
            raise MusictkError("there is no music to draw from", "ingest more files")
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))
        draws = rng.random((batch, 2))
        chosen = np.searchsorted(cumulative, draws[:, 0] * cumulative[-1], "right")
        chosen = np.minimum(chosen, len(cumulative) - 1)
        starts = cuts.starts(chosen, (draws[:, 1] * cuts.choices[chosen]).astype(np.int64))
        stops = np.minimum(starts + length, self._predicted[chosen])
        crops = self._gather(chosen, np.maximum(starts, 0), stops, length, rng)
        if self._beside is None:
            return crops
        rows = [self._beside.draw(piece, length, rng) for piece in chosen.tolist()]
        return replaced(crops, rows, pad=self._blank(1, 0).flat[0])

    def cover(self, batch: int, length: int, context: int = 0, most: int = 0) -> Iterator[Batch]:
        """Every position of every piece predicted exactly once, in order, never augmented.

        Each crop after a piece's first begins with `context` positions that were already
        predicted; they are inputs, and masked out. Of more than `most` > 0 batches only so many
        are built, evenly spread.
        """
        pieces, starts = self._covering(length, context)
        firsts: Sequence[int] = range(0, len(pieces), batch)
        if 0 < most < len(firsts):
            firsts = [firsts[number * len(firsts) // most] for number in range(most)]
        for index in firsts:
            chosen, begins = pieces[index : index + batch], starts[index : index + batch]
            stops = np.minimum(begins + length, self._predicted[chosen])
            yield self._gather(chosen, begins, stops, length, None, context)

    def covering(self, length: int) -> int:
        """The number of crops of `cover`, without a context."""
        return len(self._covering(length, 0)[0])

    def _covering(self, length: int, context: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The piece and the start of each crop of `cover`."""
        if not 0 <= context < length:
            raise ValueError(f"a context of {context} leaves nothing of a window of {length}")
        step = length - context
        later = -(-np.maximum(self._predicted - length, 0) // step)
        counts = np.where(self._predicted > 0, 1 + later, 0)
        pieces = np.repeat(np.arange(len(counts)), counts)
        return pieces, ranges(counts) * step

    def _cuts(self, length: int) -> tuple[Cuts, NDArray[np.float64]]:
        """The cuts of the pieces, and the (P,) cumulative probabilities of the pieces."""
        if self._cut is None or self._cut[0].length != length:
            cuts = cut(self._predicted, length)
            crops = np.minimum(cuts.count, 1) if self._draw == "pieces" else cuts.count
            self._cut = cuts, np.cumsum(self._weights * crops)
        return self._cut

    def _gather(
        self,
        chosen: NDArray[np.int64],
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
        length: int,
        rng: np.random.Generator | None,
        context: int = 0,
    ) -> Batch:
        """Rows that predict `starts` to `stops`, after `context` masked positions."""
        window = self._blank(len(chosen), length)
        counts = stops - starts  # positions predicted
        shifts = np.zeros(len(chosen), np.int64)
        # position p of a piece of n tokens holds token p − 1; 0 is bos, n + 1 is eos
        lows = np.maximum(starts - 1, 0).tolist()
        highs = np.minimum(stops, self._lengths[chosen]).tolist()
        for row, (piece, start, low, high) in enumerate(
            zip(chosen.tolist(), starts.tolist(), lows, highs, strict=True)
        ):
            crop = self._crop(piece, low, high)
            if self.augment is not None and rng is not None:
                crop, shifts[row] = self.augment(crop, rng)
            begin = 0 if start else 1
            window[row, begin : begin + high - low] = crop
        if isinstance(self.shard.space, Tokens):
            window[starts == 0, 0] = self.shard.space.bos
            ended = np.flatnonzero(stops == self._lengths[chosen] + 1)
            window[ended, counts[ended]] = self.shard.space.eos
        place, given = np.arange(length), np.where(starts > 0, context, 0)
        mask = (place >= given[:, None]) & (place < counts[:, None])
        conditions = self.conditions[chosen]
        controls, bars = self._controls(window, mask, chosen, starts, counts, shifts, rng)
        inputs, targets = window[:, :-1], window[:, 1:]
        return Batch(inputs, targets, mask, conditions, chosen, starts, shifts, controls, bars)

    def _controls(
        self,
        window: NDArray[Any],
        mask: NDArray[np.bool_],
        chosen: NDArray[np.int64],
        starts: NDArray[np.int64],
        counts: NDArray[np.int64],
        shifts: NDArray[np.int64],
        rng: np.random.Generator | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B, N, S) ids of the bars of each row, and the (B, T) bar of each position.

        A token belongs to the bar that it is in, since the model may end a bar with the next one. A
        frame belongs to the bar of the next frame, which it predicts: those bars are known. Some
        rows of `window` are rearranged for infilling, in place.
        """
        rows, length = mask.shape
        bars = np.zeros((rows, length), np.int64)
        if self._bars is None:
            return np.zeros((rows, 1, 0), np.int64), bars
        read = slice(length) if self._tokens else slice(1, length + 1)
        found = []
        for row, (piece, start) in enumerate(zip(chosen.tolist(), starts.tolist(), strict=True)):
            places = np.arange(length + 1)  # of the row; place p holds position start + p - 1
            moved = None
            if rng is not None and self._infill is not None and rng.random() < self._infill.rate:
                count = int(counts[row])
                lines = self._bars.lines(piece, start, start + count - 1) - start + 1
                moved = arrange(lines, count, self._tokens, rng)
            if moved is not None:
                places[: count + 1] = moved.order
                window[row, : count + 1] = window[row][moved.order]
            ids, bars[row] = self._bars.rows(piece, start + places[read] - 1, int(shifts[row]))
            if moved is not None:
                ids = self._described(ids, bars[row], moved, places[read], lines)
            found.append(ids)
        controls = np.zeros((rows, max(map(len, found)), found[0].shape[1]), np.int64)
        for row, ids in enumerate(found):
            controls[row, : len(ids)] = ids
        return controls, bars

    def _described(
        self,
        ids: NDArray[np.uint8],
        bars: NDArray[np.int64],
        moved: Arrangement,
        places: NDArray[np.int64],
        lines: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """The ids (N, S) of a row's bars with the role of those that are given, and how many are
        left to write from each that is moved on."""
        infill = self._infill
        assert infill is not None
        ids = ids.copy()
        first, last = moved.bars
        start, stop = int(lines[first]), int(lines[last])
        ids[np.unique(bars[places >= stop]), infill.role] = infill.after
        inside = np.unique(bars[(places >= start) & (places < stop)])
        ids[inside, infill.remaining] = np.maximum(last - first - np.arange(len(inside)), 1)
        return ids

    def _blank(self, batch: int, length: int) -> NDArray[Any]:
        space = self.shard.space
        if isinstance(space, Tokens):
            return np.full((batch, length + 1), space.pad, np.int64)
        return np.zeros((batch, length + 1, space.width), np.uint8)

    def _crop(self, piece: int, low: int, high: int) -> NDArray[Any]:
        offset = int(self.shard.offsets[piece])
        if self._tokens:  # the assignment into the row widens the ids
            return self.shard.sequence[offset + low : offset + high]
        if not self._cache_size:
            return self.shard.crop(offset + low, offset + high)
        whole = self._cache.pop(piece, None)
        if whole is None:
            whole = self.shard.piece(piece)
        self._cache[piece] = whole  # the newest last
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return whole[low:high]
