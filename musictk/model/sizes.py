"""Model sizes, and checks that backbone configs share. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from musictk.config import SettingInfo, build, check_settings, require
from musictk.errors import UnknownNameError

SIZES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "tiny": {"dim": 128, "depth": 3, "heads": 4},
        "small": {"dim": 256, "depth": 4, "heads": 4},
        "base": {"dim": 512, "depth": 8, "heads": 8},
        "large": {"dim": 768, "depth": 12, "heads": 12},
    }
)


def config_for(
    architecture: type, size: str | None = None, values: Mapping[str, Any] | None = None
) -> Any:
    """The `Config` of an architecture class at a size; `values` override the size.

    Without a size, the class's defaults apply. Raises UnknownNameError for an unknown size or
    setting, UsageError for an invalid value.
    """
    if size is not None and size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    chosen = {**(SIZES[size] if size is not None else {}), **(values or {})}
    return build(architecture.Config, chosen, architecture.name)  # type: ignore[attr-defined]


# The fields that configs of backbones share; a field with its own description overrides one.
BACKBONE: Mapping[str, SettingInfo] = MappingProxyType(
    {
        "dim": SettingInfo("Model width (embedding dimension).", above=0, automatic=True),
        "depth": SettingInfo("Number of layers.", above=0, automatic=True),
        "heads": SettingInfo("Attention heads per layer; divides `dim`.", above=0, automatic=True),
        "max_length": SettingInfo("Maximum sequence length, in tokens or frames.", above=0),
        "feedforward": SettingInfo(
            "Hidden width of the feed-forward layers, as a multiple of `dim`.", above=0
        ),
        "dropout": SettingInfo("Dropout probability.", below=1, automatic=True),
        "history": SettingInfo(
            "Positions whose inputs a convolution mixes before the first layer (1: none).", above=0
        ),
        "periods": SettingInfo(
            "Learned position embeddings that repeat with each of these periods, for fixed grids.",
            words="numbers above 1",
            check=lambda periods: all(period > 1 for period in periods),
        ),
    }
)


def check_backbone(config: Any, owner: str, even_heads: bool = False) -> None:
    """Raise UsageError for an invalid field, or a `dim` that `heads` does not divide.

    For `__post_init__` of a backbone's `Config`. Checks its fields in `BACKBONE`, and those with a
    description of their own. `even_heads`: dim / heads must be even, as rotary positions rotate
    pairs of dimensions.
    """
    for key, info in BACKBONE.items():
        if hasattr(config, key):
            value = getattr(config, key)
            require(info.takes(value), owner, key, value, info.allowed)
    check_settings(config, owner)
    dim, heads = config.dim, config.heads
    require(dim % heads == 0, owner, "heads", heads, f"a divisor of dim={dim}")
    if even_heads:
        allowed = f"an even number times heads={heads}: rotary positions rotate pairs of dimensions"
        require(dim // heads % 2 == 0, owner, "dim", dim, allowed)


def check_even(config: Any, owner: str) -> None:
    """Raise UsageError for an odd `dim`, which sinusoidal positions do not support."""
    allowed = "even: sinusoidal positions are pairs of a sine and a cosine"
    require(config.dim % 2 == 0, owner, "dim", config.dim, allowed)
