"""The data settings of training: weights and augmentation, and which of them have no effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from musictk.config import build, require
from musictk.ingest.encode import Variation
from musictk.tokens import Tokenizer
from musictk.tokens.augment import AugmentSettings
from musictk.tokens.crops import Draw
from musictk.tokens.shards import Shard

_PIECES, _POSITIONS = 8, 1024  # pieces, and positions of each, that `no_effect` tries


@dataclass(frozen=True)
class DataSettings:
    """Weighting and augmentation of the training data (`--set data.…`)."""

    threshold: int = 10  # pieces that a label needs for its own vector; others share OTHER's
    draw: Draw = "positions"  # what is drawn uniformly: positions, or pieces of any length
    balance: float = 0.5  # 0 draws composers in proportion to their music; 1 all equally often
    transpose: int = 3  # each crop by up to this number of semitones, up or down
    velocity: int = 0  # each crop by up to this number of velocity steps
    stretch: tuple[float, ...] = ()  # add a copy of each piece, at these multiples of its duration
    keys: tuple[int, ...] = ()  # add a copy of each piece, transposed by these semitones
    cache: int = 0  # unpacked pieces of frames to keep in memory

    def __post_init__(self) -> None:
        AugmentSettings(self.transpose, self.velocity)  # checks both
        require(self.threshold >= 1, "data", "threshold", self.threshold, "at least 1")
        require(0 <= self.balance <= 1, "data", "balance", self.balance, "from 0 to 1")
        require(self.cache >= 0, "data", "cache", self.cache, "at least 0")
        for factor in self.stretch:
            fits = 0.25 <= factor <= 4 and factor != 1
            require(fits, "data", "stretch", factor, "from 0.25 to 4, and not 1")
        for shift in self.keys:
            allowed = "from -60 to 60, and not 0"
            require(0 < abs(shift) <= 60, "data", "keys", shift, allowed)

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
