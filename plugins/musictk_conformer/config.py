"""The conformer's settings."""

from __future__ import annotations

from dataclasses import dataclass

from musictk.config import require
from musictk.model.sizes import check_body


@dataclass(frozen=True)
class ConformerConfig:
    """The published defaults."""

    dim: int = 512
    depth: int = 4
    heads: int = 8
    feedforward: int = 4  # times as wide as the body, inside
    dropout: float = 0.1
    max_length: int = 8192
    windows: tuple[int, ...] = (64, 256, 512)  # query i of a scale sees keys i - window … i
    kernel: int = 31  # frames the convolution sees
    dynamic_bias: bool = False  # a learned bias by distance instead of xpos rotary positions
    qk_norm: bool = True
    global_layers: tuple[int, ...] = ()  # blocks that attend to everything first
    streams: int = 4  # residual streams of the hyper-connections; 1 is a plain residual

    def __post_init__(self) -> None:
        check_body(self, "conformer", even_heads=not self.dynamic_bias)
        scales, layers = self.windows, self.global_layers
        some = len(scales) > 0 and min(scales) > 0
        require(some, "conformer", "windows", scales, "one or more numbers above 0")
        require(self.kernel > 0, "conformer", "kernel", self.kernel, "above 0")
        require(self.streams > 0, "conformer", "streams", self.streams, "above 0")
        there = all(0 <= layer < self.depth for layer in layers)
        allowed = f"blocks from 0 to {self.depth - 1}"
        require(there, "conformer", "global_layers", layers, allowed)
