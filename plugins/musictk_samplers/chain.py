"""Temperature, top-k, top-p and min-p, for tokens and for frames, in the order of the caller.

In a frame space each pitch is a Bernoulli: its probability is the logistic of its logit,
temperature sharpens each pitch separately, and "most likely" ranks the pitches of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musictk.config import check_settings, setting
from musictk.errors import UsageError
from musictk.generation.sampler import Sampler
from musictk.tokens import Frames

Logits = NDArray[np.float32]
NEVER = np.float32(-np.inf)
SURELY = np.float32(1000)  # a logit whose logistic is 1
_HIGHEST, _TEMPERATURES = 1e6, "from 0 to less than 1,000,000"
_LOWEST = 1e-3  # a temperature below it would be the same, but for logits that are no number


@dataclass(frozen=True)
class TemperatureConfig:
    """`temperature` 1 changes nothing; higher is more random; 0 is greedy."""

    temperature: float = setting(
        1.0, "Divide the logits by this (0: greedy).", below=_HIGHEST, words=_TEMPERATURES
    )

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < _HIGHEST:  # as --temperature is called
            raise UsageError(f"temperature={self.temperature} must be {_TEMPERATURES}")


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

    k: int = setting(40, "Keep the k most likely tokens; of a frame, pitches.", low=1)

    def __post_init__(self) -> None:
        check_settings(self, "top-k")


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

    p: float = setting(0.95, "Keep the most likely that make up p (1: all).", above=0, high=1)

    def __post_init__(self) -> None:
        check_settings(self, "top-p")


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

    p: float = setting(0.05, "Keep those p times as likely as the most likely (0: all).", high=1)

    def __post_init__(self) -> None:
        check_settings(self, "min-p")


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
