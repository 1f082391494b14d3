"""The conformer's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConformerConfig:
    """The published defaults."""

    dim: int = 512
    depth: int = 4
    heads: int = 8
    dropout: float = 0.1
    max_length: int = 8192
    windows: tuple[int, ...] = (64, 256, 512)  # query i of a scale sees keys i - window … i
    kernel: int = 31  # frames the convolution sees
    dynamic_bias: bool = False  # a learned bias by distance instead of xpos rotary positions
    qk_norm: bool = True
    global_layers: tuple[int, ...] = ()  # blocks that attend to everything first
    streams: int = 4  # residual streams of the hyper-connections; 1 is a plain residual
