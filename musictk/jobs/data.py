"""The data settings of training: weights and augmentation, and which of them have no effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from musictk.config import build, check_settings, setting
from musictk.ingest.encode import Variation
from musictk.tokens import Tokenizer
from musictk.tokens.crops import Draw
from musictk.tokens.shards import Shard

_PIECES, _POSITIONS = 8, 1024  # pieces, and positions of each, that `no_effect` tries


@dataclass(frozen=True)
class DataSettings:
    """Weighting and augmentation of the training data (`--set data.…`)."""

    threshold: int = setting(
        10,
        "Minimum number of pieces of a label with a separate embedding; rarer labels share one.",
        low=1,
    )
    draw: Draw = setting(
        "positions", "What is sampled uniformly: positions of the music, or whole pieces."
    )
    balance: float = setting(
        0.5,
        "Balance of composers: 0 samples them in proportion to their music, 1 equally often.",
        high=1,
    )
    transpose: int = setting(
        3, "Random transposition of each row by up to this many semitones, up or down.", high=60
    )
    velocity: int = setting(
        0, "Random change of the velocity of each row by up to this much, up or down.", high=127
    )
    stretch: tuple[float, ...] = setting(
        (),
        "Tempo augmentation: a copy of each piece at each of these multiples of its duration.",
        words="numbers from 0.25 to 4, and not 1",
        check=lambda values: all(0.25 <= value <= 4 and value != 1 for value in values),
    )
    keys: tuple[int, ...] = setting(
        (),
        "Key augmentation: a copy of each piece, transposed by each of these semitones.",
        words="integers from -60 to 60, and not 0",
        check=lambda values: all(0 < abs(value) <= 60 for value in values),
    )
    cache: int = setting(0, "Number of unpacked pieces of frames to keep in memory.")

    def __post_init__(self) -> None:
        check_settings(self, "data")

    @property
    def variations(self) -> tuple[Variation, ...]:
        """The copies of each piece in the training shard, besides the original."""
        stretched = [Variation(stretch=factor) for factor in self.stretch]
        return (*stretched, *(Variation(semitones=shift) for shift in self.keys))


def no_effect(tokenizer: Tokenizer, shard: Shard, data: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of `transpose`, `velocity` and `stretch` that change nothing in this shard.

    Tried on a sample of its pieces. The default transposition counts for music only: users do
    not expect text to be transposed.
    """
    settings, music = build(DataSettings, data, "data"), "midi" in tokenizer.reads
    files = list(dict.fromkeys(shard.files.tolist()))[:_PIECES]
    copies = [
        [shard.piece(index) for index in np.flatnonzero(shard.files == file).tolist()]
        for file in files
    ]
    excerpts = [pieces[0][:_POSITIONS] for pieces in copies]
    transposes = any(
        tokenizer.transpose(excerpt, shift) is not None for excerpt in excerpts for shift in (1, -1)
    )
    shifts_velocity = any(
        not np.array_equal(tokenizer.shift_velocity(excerpt, shift), excerpt)
        for excerpt in excerpts
        for shift in (16, -16)
    )
    equal = all(len({piece.tobytes() for piece in pieces}) < len(pieces) for pieces in copies)
    ineffective = {
        "transpose": settings.transpose > 0 and (music or "transpose" in data) and not transposes,
        "velocity": settings.velocity > 0 and not shifts_velocity,
        "stretch": bool(settings.stretch) and equal,
    }
    return tuple(name for name, found in ineffective.items() if found)
