"""Model sizes, and checks that backbone configs share. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from musictk.config import build, require
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


def check_backbone(config: Any, owner: str, even_heads: bool = False) -> None:
    """Raise UsageError for an invalid `dim`, `depth`, `heads`, `max_length` or `dropout`.

    For `__post_init__` of a backbone's `Config`. Checks `feedforward` too where the config has it.
    `even_heads`: dim / heads must be even, as rotary positions rotate pairs of dimensions.
    """
    for key in ("dim", "depth", "heads", "max_length", "feedforward"):
        value = getattr(config, key, 1)
        require(value > 0, owner, key, value, "above 0")
    dim, heads, dropout = config.dim, config.heads, config.dropout
    require(dim % heads == 0, owner, "heads", heads, f"a divisor of dim={dim}")
    if even_heads:
        allowed = f"an even number times heads={heads}: rotary positions rotate pairs of dimensions"
        require(dim // heads % 2 == 0, owner, "dim", dim, allowed)
    require(0 <= dropout < 1, owner, "dropout", dropout, "at least 0 and below 1")


def check_even(config: Any, owner: str) -> None:
    """Raise UsageError for an odd `dim`, which sinusoidal positions do not support."""
    allowed = "even: sinusoidal positions are pairs of a sine and a cosine"
    require(config.dim % 2 == 0, owner, "dim", config.dim, allowed)
