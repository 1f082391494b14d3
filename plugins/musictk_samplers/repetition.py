"""A repetition penalty on recent notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musictk.config import check_settings, setting
from musictk.generation.sampler import Sampler
from musictk.tokens import PITCH, Frames, Tokenizer

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class RepetitionConfig:
    """`penalty` 1 changes nothing; `window` is how many positions back a repeat counts."""

    penalty: float = setting(1.1, "Penalty on notes that repeat (1: none).", low=1, high=100)
    window: int = setting(64, "Positions back in which a repeat counts.", low=1)

    def __post_init__(self) -> None:
        check_settings(self, "repetition")


class Repetition(Sampler):
    """Divide a positive logit by the penalty, multiply a negative one (CTRL; Keskar et al. 2019).

    Only notes are penalised, not the bars, positions and durations that every bar repeats. A token
    of several notes (byte-pair merges) is penalised as one. In frames new onsets are penalised; a
    pitch that sounds may continue. Text has no notes: every token but the special ones counts.
    """

    Config = RepetitionConfig
    name: ClassVar[str] = "repetition"

    def __init__(self, config: RepetitionConfig, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        self.history = config.window
        pitch, space = tokenizer.attributes().get(PITCH), tokenizer.space
        self._counts: NDArray[np.bool_]  # (V,)
        if pitch is not None:
            self._counts = pitch.stated
        elif isinstance(space, Frames):
            self._counts = np.ones(space.width, bool)
        else:
            self._counts = np.ones(space.size, bool)
            self._counts[space.special] = False

    def __call__(self, logits: Logits, history: NDArray[Any]) -> Logits:
        recent = history[:, -self.config.window :]
        if self.config.penalty == 1 or not recent.shape[1]:
            return logits
        penalty = np.float32(self.config.penalty)
        lower = np.where(logits > 0, logits / penalty, logits * penalty)
        return np.where(self._played(recent) & self._counts, lower, logits)

    def _played(self, recent: NDArray[Any]) -> NDArray[np.bool_]:
        """(B, V) what would be a repeat."""
        if recent.ndim == 3:
            return np.asarray(recent.any(1) & (recent[:, -1] == 0), np.bool_)
        played = np.zeros((len(recent), len(self._counts)), np.bool_)
        played[np.arange(len(recent))[:, None], recent] = True
        return played
