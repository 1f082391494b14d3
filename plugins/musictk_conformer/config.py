"""The conformer's settings."""

from __future__ import annotations

from dataclasses import dataclass

from musictk.config import require, setting
from musictk.model.sizes import check_backbone


@dataclass(frozen=True)
class ConformerConfig:
    """The published settings."""

    dim: int = 512
    depth: int = 4
    heads: int = 8
    feedforward: int = 4
    dropout: float = 0.1
    max_length: int = 8192
    windows: tuple[int, ...] = setting(
        (64, 256, 512),
        "Windows of local attention, one per scale: query i attends to keys i - window to i.",
        words="one or more numbers above 0",
        check=lambda windows: len(windows) > 0 and min(windows) > 0,
    )
    kernel: int = setting(31, "Kernel width of the convolution, in positions.", above=0)
    dynamic_bias: bool = setting(
        False, "Learned attention bias by distance instead of rotary positions with xPos."
    )
    qk_norm: bool = setting(
        True, "RMSNorm on queries and keys (Henry et al. 2020, arXiv 2010.04245)."
    )
    global_layers: tuple[int, ...] = setting(
        (),
        "Indices of the blocks that start with full instead of local attention, from 0.",
        words="block indices from 0 to depth - 1",
        check=lambda layers: all(layer >= 0 for layer in layers),
    )
    streams: int = setting(
        4, "Residual streams of the hyper-connections (1: plain residual connections).", above=0
    )

    def __post_init__(self) -> None:
        check_backbone(self, "conformer", even_heads=not self.dynamic_bias)
        layers = self.global_layers
        there = all(0 <= layer < self.depth for layer in layers)
        allowed = f"blocks from 0 to {self.depth - 1}"
        require(there, "conformer", "global_layers", layers, allowed)
