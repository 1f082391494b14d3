"""The recipe: what wins by time to a fixed loss, as `train` chooses it. Free of torch.

Found with `benchmarks.speedrun` over three seeds; what lost is in docs/log.md. Presets have their
own settings, and settings that the user gives are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_MODEL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"gpt": {"rotary": True, "rmsnorm": True, "swiglu": True, "qk_norm": True}}
)
_TRAIN: Mapping[str, Any] = MappingProxyType(
    {"optimizer": "muon", "lr": 5e-3, "weight_decay": 0.1, "warmup": 0.05, "final": 0.0}
)


@dataclass(frozen=True)
class Recipe:
    """Values of settings: `model` for the config of an architecture, `train` for training."""

    model: Mapping[str, Any]
    train: Mapping[str, Any]


def recipe_for(architecture: str) -> Recipe:
    """The recipe of an architecture by name; one that is not known keeps its own settings."""
    return Recipe(_MODEL.get(architecture, {}), _TRAIN)
