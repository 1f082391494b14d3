"""A tokenizer with one token for each sixteenth of a piece in 4/4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.music import notes
from musictk.tokens import Piece, Tokenizer, Tokens

HOLD = Tokens.ordinary  # the note goes on, or the silence
REST = HOLD + 1  # a silence begins
NOTE = REST + 1  # a note begins: NOTE + its pitch


@dataclass(frozen=True)
class MelodyConfig:
    """Set with `--set tokens.KEY=VALUE`."""

    velocity: int = 80  # of every decoded note


class Melody(Tokenizer):
    """The highest note that begins at each sixteenth, until the next one begins."""

    Config = MelodyConfig
    name = "melody"

    def __init__(self, config: MelodyConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.space = Tokens(NOTE + 128)

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        if isinstance(piece, str):
            raise ValueError("melody reads music, not text")
        found = notes(piece, drums=False)  # ordered by onset, then pitch
        if not len(found):
            raise ValueError("it has no pitched note")
        step = piece.ticks_per_quarter / 4
        start = np.rint(found.start / step).astype(np.int64)
        end = np.maximum(np.rint(found.end / step).astype(np.int64), start + 1)
        ids = np.full(-(-int(end.max()) // 16) * 16, HOLD, np.int64)  # whole bars
        ids[0] = REST
        order = np.lexsort((found.pitch, start))
        last = order[np.append(np.diff(start[order]) > 0, True)]  # the highest of each onset
        following = np.append(start[last][1:], len(ids))
        rests = end[last][end[last] < following]
        ids[rests] = REST
        ids[start[last]] = NOTE + found.pitch[last]
        return ids

    def decode(self, sequence: NDArray[Any]) -> ScoreTick:
        score = ScoreTick(4)  # a tick is a sixteenth
        score.tracks.append(TrackTick("Melody"))
        begins = np.flatnonzero(sequence > HOLD)
        ends = np.append(begins[1:], len(sequence))
        for start, end in zip(begins.tolist(), ends.tolist(), strict=False):
            pitch = int(sequence[start]) - NOTE
            if pitch >= 0:
                note = NoteTick(start, end - start, pitch, self.config.velocity)
                score.tracks[0].notes.append(note)
        return score

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.arange(0, len(sequence), 16)
