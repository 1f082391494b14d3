"""The recipe: settings with which a model learns most per CPU second, for `train` to choose.

What wins is measured by `benchmarks.speedrun`; what lost is in docs/log.md. Presets have settings
of their own, and settings that the user gives take precedence. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

# Settings of the config of each architecture; one that is not listed keeps its own.
MODEL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "gpt": {
            **dict.fromkeys(("rotary", "rmsnorm", "swiglu", "qk_norm", "value_residual"), True),
            "history": 8,
        },
        "relative": {"history": 8},
        "roll": {"history": 8},
    }
)
TRAIN: Mapping[str, Any] = MappingProxyType(
    {
        **{"optimizer": "muon", "muon_steps": 3, "weight_decay": 0.1},
        **{"schedule": "wsd", "warmup": 0.05, "decay": 0.4, "final": 0.0, "averaging": 0.05},
        "short_rows": 0.5,
    }
)
# Peak learning rates by optimizer and size. Muon's are measured for tiny and small; for the others
# they are lower by caution.
RATES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "adamw": {"tiny": 3e-3, "small": 1e-3, "base": 5e-4, "large": 3e-4},
        "muon": {"tiny": 5e-3, "small": 5e-3, "base": 3e-3, "large": 2e-3},
    }
)


@dataclass(frozen=True)
class Recipe:
    """Values for the config of an architecture (`model`) and for `TrainSettings.but` (`train`)."""

    model: Mapping[str, Any]
    train: Mapping[str, Any]


def recipe_for(
    architecture: type,
    model: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
) -> Recipe:
    """What the user has not given in `model` and `train`, for an architecture class.

    Only settings that the architecture's `Config` has. With another optimizer than the recipe's,
    none of its `train` values is given.
    """
    model, train = model or {}, train or {}
    name: str = architecture.name  # type: ignore[attr-defined]
    known = {each.name for each in fields(architecture.Config)}  # type: ignore[attr-defined]
    same = train.get("optimizer", TRAIN["optimizer"]) == TRAIN["optimizer"]
    return Recipe(
        {k: v for k, v in MODEL.get(name, {}).items() if k in known and k not in model},
        {k: v for k, v in TRAIN.items() if same and k not in train},
    )
