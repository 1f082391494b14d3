"""Windows: batches of crops, each a pure function of (seed, step), so resume needs no loader state.

Every piece is read as `bos x₀ … xₙ₋₁ eos` (frames: `empty f₀ … fₙ₋₁`). A window is a run of it:
inputs are its positions, targets the positions one later. So bos stands before a piece's first
position only, eos after its last, and neither on a crop from the middle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.tokens.augment import Augment
from musictk.tokens.shards import Shard
from musictk.tokens.space import Tokens


@dataclass(frozen=True)
class Batch:
    """B windows of T positions. Padding is `pad` (frames: empty) and masked out."""

    inputs: NDArray[Any]  # (B, T) int64 | (B, T, width) uint8
    targets: NDArray[Any]  # alike, one position later
    mask: NDArray[np.bool_]  # (B, T) True where the target counts
    conditions: NDArray[np.int64]  # (B, K)
    pieces: NDArray[np.int64]  # (B,) index of each row's piece in the shard
    starts: NDArray[np.int64]  # (B,) the position of the piece at which the row's inputs begin
    shifts: NDArray[np.int64]  # (B,) semitones each row was transposed by


class Windows:
    """Crops of a shard's pieces, with the condition ids of each.

    `conditions` is (P, K). `weights` (P,) says how likely a position of each piece is to be drawn,
    relative to the positions of others: a piece is drawn with a chance of weight × length. Equal
    weights are uniform over the corpus. `cache` keeps so many unpacked pieces of frames at hand.
    """

    def __init__(
        self,
        shard: Shard,
        conditions: NDArray[np.int64],
        weights: NDArray[np.float64],
        augment: Augment | None = None,
        cache: int = 0,
    ) -> None:
        pieces = len(shard.files)
        if len(conditions) != pieces or weights.shape != (pieces,):
            raise ValueError(f"{pieces} pieces need as many conditions and weights")
        self.shard, self.conditions, self.augment = shard, conditions, augment
        self._tokens = isinstance(shard.space, Tokens)
        self._lengths = shard.lengths
        self._predicted = self._lengths + int(self._tokens)  # (P,) eos is predicted too
        chances = np.where(self._lengths > 0, weights * self._predicted, 0.0)
        self._cumulative = np.cumsum(chances)
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._cache_size = cache

    @property
    def positions(self) -> int:
        """How many positions `cover` predicts: all of the shard's, and one eos a piece."""
        return int(self._predicted[self._lengths > 0].sum())

    def batch(self, seed: int, step: int, batch: int, length: int) -> Batch:
        """`batch` windows of `length` positions: equal arguments give equal windows."""
        if not len(self._cumulative) or not self._cumulative[-1] > 0:
            raise MusictkError("there is no music to draw from", "ingest more files")
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))
        draws = rng.random((batch, 2))
        chosen = np.searchsorted(self._cumulative, draws[:, 0] * self._cumulative[-1], "right")
        chosen = np.minimum(chosen, len(self._cumulative) - 1)
        room = np.maximum(self._predicted[chosen] - length, 0) + 1
        starts = (draws[:, 1] * room).astype(np.int64)
        return self._gather(chosen, starts, length, np.zeros(batch, np.int64), rng)

    def cover(self, batch: int, length: int, context: int = 0) -> Iterator[Batch]:
        """Every position of every piece predicted exactly once, in order, never augmented.

        Each window after a piece's first begins with `context` positions that were predicted
        already; they are given, and masked out.
        """
        if not 0 <= context < length:
            raise ValueError(f"a context of {context} leaves nothing of a window of {length}")
        rows: list[tuple[int, int, int]] = []  # piece, start, leading positions not to be counted
        for piece in np.flatnonzero(self._lengths > 0).tolist():
            rows.append((piece, 0, 0))
            firsts = range(length, int(self._predicted[piece]), length - context)
            rows += [(piece, first - context, context) for first in firsts]
        for index in range(0, len(rows), batch):
            chosen, starts, given = np.array(rows[index : index + batch], np.int64).T
            yield self._gather(chosen, starts, length, given, None)

    def _gather(
        self,
        chosen: NDArray[np.int64],
        starts: NDArray[np.int64],
        length: int,
        given: NDArray[np.int64],
        rng: np.random.Generator | None,
    ) -> Batch:
        window = self._blank(len(chosen), length)
        counts = np.minimum(self._predicted[chosen] - starts, length)  # positions predicted
        shifts = np.zeros(len(chosen), np.int64)
        # position p of a piece of n tokens holds token p − 1; 0 is bos, n + 1 is eos
        lows = np.maximum(starts - 1, 0).tolist()
        highs = np.minimum(starts + counts, self._lengths[chosen]).tolist()
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
            ended = np.flatnonzero(starts + counts == self._lengths[chosen] + 1)
            window[ended, counts[ended]] = self.shard.space.eos
        place = np.arange(length)
        mask = (place >= given[:, None]) & (place < counts[:, None])
        conditions = self.conditions[chosen]
        inputs, targets = window[:, :-1], window[:, 1:]
        return Batch(inputs, targets, mask, conditions, chosen, starts, shifts)

    def _blank(self, batch: int, length: int) -> NDArray[Any]:
        space = self.shard.space
        if isinstance(space, Tokens):
            return np.full((batch, length + 1), space.pad, np.int64)
        return np.zeros((batch, length + 1, space.width), np.uint8)

    def _crop(self, piece: int, low: int, high: int) -> NDArray[Any]:
        offset = int(self.shard.offsets[piece])
        if self._tokens:  # the assignment into the window widens the ids
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
