"""Temperature, top-k, top-p and min-p, for tokens and for frames, in the order of the caller.

In a frame space each pitch is a Bernoulli: its probability is the logistic of its logit,
temperature sharpens each pitch separately, and "most likely" ranks the pitches of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musictk.errors import UsageError
from musictk.generation.sampler import Sampler
from musictk.tokens import Frames

Logits = NDArray[np.float32]
NEVER = np.float32(-np.inf)
SURELY = np.float32(1000)  # a logit whose logistic is 1
_LOWEST = 1e-3  # a temperature below it would be the same, but for logits that are no number


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


@dataclass(frozen=True)
class TemperatureConfig:
    """`temperature` 1 changes nothing; higher is more random; 0 is greedy."""

    temperature: float = 1.0

    def __post_init__(self) -> None:
        allowed = "from 0 to less than 1,000,000"
        _require(0 <= self.temperature < 1e6, f"temperature={self.temperature} must be {allowed}")


class Temperature(Sampler):
    """Divide the logits (Ackley et al. 1985)."""

    Config = TemperatureConfig
    name: ClassVar[str] = "temperature"

    def __call__(self, logits: Logits, history: NDArray[Any]) -> Logits:
        if self.config.temperature > 0:
            return logits / np.float32(max(self.config.temperature, _LOWEST))
        if isinstance(self.space, Frames):
            # Every pitch above probability 0.5 sounds for certain, ranked as before for top-k.
            return np.where(logits > 0, logits + SURELY, NEVER)
        return np.where(logits >= logits.max(1, keepdims=True), logits, NEVER)


@dataclass(frozen=True)
class TopKConfig:
    """`k` tokens, or in a frame at most `k` voices."""

    k: int = 40

    def __post_init__(self) -> None:
        _require(self.k >= 1, f"top-k must be at least 1, not {self.k}")


class TopK(Sampler):
    """Keep the k most likely (Fan et al. 2018), and ties with the k-th."""

    Config = TopKConfig
    name: ClassVar[str] = "top-k"

    def __call__(self, logits: Logits, history: NDArray[Any]) -> Logits:
        k = self.config.k
        if k >= logits.shape[1]:
            return logits
        least = np.partition(logits, -k, axis=1)[:, -k, None]
        return np.where(logits >= least, logits, NEVER)


@dataclass(frozen=True)
class TopPConfig:
    """`p` of the probability; 1 keeps everything."""

    p: float = 0.95

    def __post_init__(self) -> None:
        _require(0 < self.p <= 1, f"top-p must be above 0 and at most 1, not {self.p}")


class TopP(Sampler):
    """Keep the most likely whose probabilities sum to p (nucleus sampling, Holtzman et al. 2020).

    In a frame: the most likely pitches that make up p of the expected number of notes.
    """

    Config = TopPConfig
    name: ClassVar[str] = "top-p"

    def __call__(self, logits: Logits, history: NDArray[Any]) -> Logits:
        if self.config.p >= 1:
            return logits
        ranked = -np.sort(-logits, axis=1)  # (B, V), most likely first
        frames = isinstance(self.space, Frames)
        mass = sigmoid(ranked) if frames else np.exp(ranked - ranked[:, :1])
        reached = mass.cumsum(1)
        # Kept while those before sum to less than p, so the most likely is always kept.
        kept = (reached - mass < self.config.p * reached[:, -1:]).sum(1)
        least = ranked[np.arange(len(ranked)), np.maximum(kept, 1) - 1]
        return np.where(logits >= least[:, None], logits, NEVER)


@dataclass(frozen=True)
class MinPConfig:
    """`p` is a share of the highest probability; 0 keeps everything."""

    p: float = 0.05

    def __post_init__(self) -> None:
        _require(0 <= self.p <= 1, f"min-p must be from 0 to 1, not {self.p}")


class MinP(Sampler):
    """Keep those at least p times as likely as the most likely (Nguyen et al. 2024)."""

    Config = MinPConfig
    name: ClassVar[str] = "min-p"

    def __call__(self, logits: Logits, history: NDArray[Any]) -> Logits:
        if self.config.p <= 0:
            return logits
        if isinstance(self.space, Frames):
            likely = sigmoid(logits)
            kept = likely >= np.float32(self.config.p) * likely.max(1, keepdims=True)
        else:
            kept = logits >= logits.max(1, keepdims=True) + np.float32(np.log(self.config.p))
        return np.where(kept, logits, NEVER)


def sigmoid(x: Logits) -> Logits:
    """The logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)
