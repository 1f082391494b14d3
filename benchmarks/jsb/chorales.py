"""The JSB Chorales on a 16th grid as windows: soprano, alto, tenor, bass, again and again.

`Jsb16thSeparated.json` holds {"train" | "valid" | "test": pieces of [S, A, T, B] MIDI pitches, -1
for silence}, in the split of Boulanger-Lewandowski et al. (2012). It is never shipped: it states no
licence. Each voice has ids of its own, so that a token tells which voice it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musictk.files import read_json
from musictk.tokens import Tokens
from musictk.tokens.batch import Batch
from musictk.tokens.crops import Crops
from musictk.tokens.shards import Shard

VOICES, LOW, HIGH = 4, 36, 81  # the corpus's own range
STRIDE = HIGH - LOW + 2  # ids of a voice: silence, then each pitch
SPACE = Tokens(size=3 + VOICES * STRIDE)
BAR = 16 * VOICES  # tokens of a 4/4 bar


class Chorales(Crops):
    """A split. Training windows begin at a bar of 16 frames and may be transposed.

    `reorder` is the share of them that have the voices in another order, the same in every frame: a
    task from which a network learns more than from the same windows again. Only the notes are
    predicted, as in the literature: not the end of a piece.
    """

    def __init__(
        self, pieces: list[NDArray[np.int64]], transpose: int = 0, reorder: float = 0.0
    ) -> None:
        tokens = [encode(piece) for piece in pieces]
        offsets = np.cumsum([0, *map(len, tokens)])
        sequence = np.concatenate(tokens).astype(np.uint16)
        count = len(pieces)
        shard = Shard(Path("jsb"), "jsb", SPACE, sequence, offsets, np.arange(count))
        super().__init__(shard, np.zeros((count, 0), np.int64), np.ones(count))
        self._pieces, self._transpose, self._reorder = pieces, transpose, reorder
        bars = -(-shard.lengths // BAR)
        self._openings = [(piece, bar) for piece in range(count) for bar in range(bars[piece])]

    @property
    def positions(self) -> int:
        """Every note of every voice."""
        return len(self.shard.sequence)

    def batch(self, seed: int, step: int, batch: int, length: int) -> Batch:
        """A pure function of its arguments; every bar begins a window equally often."""
        rng = np.random.default_rng([seed, step])
        window = np.full((batch, length + 1), SPACE.pad, np.int64)
        chosen = rng.integers(0, len(self._openings), batch)
        starts, shifts = np.zeros(batch, np.int64), np.zeros(batch, np.int64)
        pieces = np.zeros(batch, np.int64)
        for row, index in enumerate(chosen.tolist()):
            pieces[row], starts[row], shifts[row] = self._fill(window[row], index, rng)
        inputs, targets = window[:, :-1], window[:, 1:]
        mask = targets >= 3
        # The first frame of a window tells in which order the voices are, so it is not predicted.
        mask[self._other_order(window), :VOICES] = False
        conditions = np.zeros((batch, 0), np.int64)
        controls, bars = np.zeros((batch, 1, 0), np.int64), np.zeros(inputs.shape, np.int64)
        return Batch(inputs, targets, mask, conditions, pieces, starts, shifts, controls, bars)

    def cover(self, batch: int, length: int, context: int = 0, most: int = 0) -> Iterator[Batch]:
        """Every note once."""
        for part in super().cover(batch, length, context, most):
            yield replace(part, mask=part.mask & (part.targets >= 3))

    def _fill(
        self, row: NDArray[np.int64], index: int, rng: np.random.Generator
    ) -> tuple[int, int, int]:
        """Write one window: `bos` before a piece's first note, else the note before the bar."""
        piece, bar = self._openings[index]
        frames = self._pieces[piece]
        sounding = frames[frames >= 0]
        low = max(-self._transpose, LOW - int(sounding.min()))
        high = min(self._transpose, HIGH - int(sounding.max()))
        shift = int(rng.integers(low, high + 1))
        ids = encode(np.where(frames >= 0, frames + shift, -1))
        if self._reorder and rng.random() < self._reorder:
            ids = ids.reshape(-1, VOICES)[:, rng.permutation(VOICES)].reshape(-1)
        whole = np.concatenate([[SPACE.bos], ids])
        # A window that would end past the piece begins earlier instead, still at a bar.
        latest = max(-(-(len(whole) - len(row)) // BAR), 0) * BAR
        start = min(bar * BAR, latest)
        crop = whole[start : start + len(row)]
        row[: len(crop)] = crop
        return piece, start, shift

    @staticmethod
    def _other_order(window: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(B,) whether the voices of each window have another order than soprano to bass."""
        voices = (window[:, 1 : 1 + VOICES] - 3) // STRIDE
        return np.asarray((voices != np.arange(VOICES)).any(axis=1))


def load(path: Path, transpose: int, reorder: float = 0.0) -> dict[str, Chorales]:
    """The three splits; only training is transposed, and has voices in other orders."""
    value = read_json(path)
    splits = {
        split: [np.array(piece, np.int64) for piece in value[split]]
        for split in ("train", "valid", "test")
    }
    return {
        "train": Chorales(splits["train"], transpose, reorder),
        "valid": Chorales(splits["valid"]),
        "test": Chorales(splits["test"]),
    }


def encode(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """(T, 4) pitches -> (4 T,) ids."""
    ids = np.where(frames >= 0, frames - LOW + 1, 0) + STRIDE * np.arange(VOICES) + 3
    return ids.reshape(-1)
