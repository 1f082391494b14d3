"""The conformer's settings."""

from __future__ import annotations

from dataclasses import dataclass

from musictk.config import require
from musictk.model.sizes import check_backbone


@dataclass(frozen=True)
class ConformerConfig:
    """The published settings."""

    dim: int = 512
    depth: int = 4
    heads: int = 8
    feedforward: int = 4  # hidden width of a feed-forward, as a multiple of dim
    dropout: float = 0.1
    max_length: int = 8192
    windows: tuple[int, ...] = (64, 256, 512)  # of each scale: query i sees keys i - window … i
    kernel: int = 31  # width of the convolution, in positions
    dynamic_bias: bool = False  # a learned bias by distance instead of rotary positions with xpos
    qk_norm: bool = True
    global_layers: tuple[int, ...] = ()  # indices of blocks that start with full attention
    streams: int = 4  # of the hyper-connections; 1 is a plain residual connection

    def __post_init__(self) -> None:
        check_backbone(self, "conformer", even_heads=not self.dynamic_bias)
        scales, layers = self.windows, self.global_layers
        some = len(scales) > 0 and min(scales) > 0
        require(some, "conformer", "windows", scales, "one or more numbers above 0")
        require(self.kernel > 0, "conformer", "kernel", self.kernel, "above 0")
        require(self.streams > 0, "conformer", "streams", self.streams, "above 0")
        there = all(0 <= layer < self.depth for layer in layers)
        allowed = f"blocks from 0 to {self.depth - 1}"
        require(there, "conformer", "global_layers", layers, allowed)
