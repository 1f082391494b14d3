"""Augmentation: transposition and velocity when a crop is drawn, stretch at shard time; train only.

Crops are augmented when they are drawn, through the tokenizer, with random numbers that depend only
on (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TempoTick

from musictk.errors import UsageError
from musictk.music import DEFAULT_TEMPO
from musictk.tokens.contract import Tokenizer


@dataclass(frozen=True)
class AugmentSettings:
    """The largest changes of a crop; 0 is no change."""

    transpose: int = 0  # semitones, up or down
    velocity: int = 0  # MIDI velocity steps, up or down

    def __post_init__(self) -> None:
        if not 0 <= self.transpose <= 60 or not 0 <= self.velocity <= 127:
            raise UsageError(
                f"cannot augment by {self.transpose} semitones and {self.velocity} velocity steps",
                "give 0 to 60 semitones and 0 to 127 steps",
            )


class Augment:
    """Transposes a crop and shifts its velocity at random, uniformly within the settings.

    Where a note would leave the tokenizer's range the crop keeps its own pitch.
    """

    def __init__(self, tokenizer: Tokenizer, settings: AugmentSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings

    def __call__(self, crop: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], int]:
        """The crop, of the same length, and the semitones it was transposed by.

        The tokenizer gets ids as int64, as it encodes them: in the narrower type of a shard,
        ids + semitones may overflow. Frames stay uint8.
        """
        semitones = int(rng.integers(-self.settings.transpose, self.settings.transpose + 1))
        steps = int(rng.integers(-self.settings.velocity, self.settings.velocity + 1))
        if crop.ndim == 1:
            crop = crop.astype(np.int64)
        if steps:
            crop = self.tokenizer.shift_velocity(crop, steps)
        moved = self.tokenizer.transpose(crop, semitones) if semitones else None
        return (crop, 0) if moved is None else (moved, semitones)


def transposed(score: ScoreTick, semitones: int) -> ScoreTick | None:
    """A copy transposed by `semitones`, without drums; None where a note would leave 0 … 127."""
    moved = score.copy()
    for track in moved.tracks:
        if track.is_drum or not len(track.notes):
            continue
        pitches = track.notes.numpy()["pitch"].astype(np.int64) + semitones
        if pitches.min() < 0 or pitches.max() > 127:
            return None
        track.shift_pitch(semitones, inplace=True)
    return moved


def stretched(score: ScoreTick, factor: float) -> ScoreTick:
    """A copy that lasts `factor` times as long: slower tempos, the same notes on the same beats.

    Raises ValueError unless 0.25 ≤ factor ≤ 4.
    """
    if not 0.25 <= factor <= 4:
        raise ValueError(f"a stretch by {factor} is outside 0.25 to 4")
    slower = score.copy()
    if not len(slower.tempos) or slower.tempos[0].time > 0:
        slower.tempos.insert(0, TempoTick(0, mspq=DEFAULT_TEMPO))
    for tempo in slower.tempos:
        tempo.qpm = tempo.qpm / factor
    return slower
