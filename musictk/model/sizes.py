"""The one dial: how big a body is. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from musictk.config import build
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
    """The `Config` of an architecture class at a size; `values` go before it.

    Without a size the class's own defaults hold. Raises UnknownNameError for a size or a setting
    that does not exist, UsageError for a value that does not fit.
    """
    if size is not None and size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    chosen = {**(SIZES[size] if size is not None else {}), **(values or {})}
    return build(architecture.Config, chosen, architecture.name)  # type: ignore[attr-defined]
