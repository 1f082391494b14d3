"""A sampler that keeps more tokens where the model is less certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation import Sampler


@dataclass(frozen=True)
class TopAConfig:
    """Set with `--sampler top-a:a=0.3`."""

    a: float = 0.2


class TopA(Sampler):
    """Keep the tokens whose probability is at least a times the square of the highest one."""

    Config = TopAConfig
    name = "top-a"

    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        weights = np.exp(logits - logits.max(1, keepdims=True))
        highest = 1 / weights.sum(1, keepdims=True)  # the highest probability of each row
        return np.where(weights >= self.config.a * highest, logits, np.float32(-np.inf))
