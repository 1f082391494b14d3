"""Stay in a scale, with any tokenizer that knows the pitches of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musictk.errors import UsageError
from musictk.generation import Sampler
from musictk.tokens import PITCH, Frames, Tokenizer

STEPS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True)
class ScaleConfig:
    """`root` 0 is C, 11 is B."""

    root: int = 0
    mode: Literal["major", "minor"] = "major"


class Scale(Sampler):
    """Forbid tokens with a note outside the scale, unless nothing else may follow."""

    Config = ScaleConfig
    name = "scale"

    def __init__(self, config: ScaleConfig, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        pitch = tokenizer.attributes().get(PITCH)
        if pitch is None:
            raise UsageError(f"the tokens of {tokenizer.name} do not say which notes they are")
        inside = np.isin((np.arange(128) - config.root) % 12, STEPS[config.mode])
        self._outside = ~pitch.within(np.flatnonzero(inside).tolist())  # (V,)

    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        locked = np.where(self._outside, np.float32(-np.inf), logits)
        possible = np.isfinite(locked).any(1, keepdims=True) | isinstance(self.space, Frames)
        return np.where(possible, locked, logits)
