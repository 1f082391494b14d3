"""The conformer with multi-scale local attention.

After imbulana/coma-gen; a causal version of the block of Gulati et al. 2020 (arXiv 2005.08100).
"""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from musictk.model.contract import Architecture
from musictk.model.layers import LearnedPositions, Rotary, Stack
from musictk.model.windowed import DynamicBias, WindowMask
from musictk_conformer.config import ConformerConfig
from musictk_conformer.exported import (
    EXPORTED,
    ExportedBiasedAttention,
    ExportedHyperConnection,
)
from musictk_conformer.residuals import HyperConnection, Residual
from musictk_conformer.sublayers import (
    Convolution,
    GlobalAttention,
    HalfFeedForward,
    LocalAttention,
)
from musictk_conformer.windows import ExportedRotary, ExportedWindows


class Conformer(Architecture):
    """Blocks of half a feed-forward, multi-scale local attention, convolution, half a feed-forward.

    State: position (B,), then for each block the last inputs of its convolution
    (B, kernel - 1, 2 D), keys and values (B, H, window, Dh) of each scale and, in a global layer,
    keys and values (B, H, capacity, Dh).
    """

    Config = ConformerConfig
    name = "conformer"

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__(config)
        head_dim = config.dim // config.heads
        self.dim, self.max_length = config.dim, config.max_length
        self.streams = config.streams
        self.positions = LearnedPositions(config.max_length, config.dim)
        self.rotary = None if config.dynamic_bias else Rotary(head_dim)
        self.bias = DynamicBias(config.dim // 2, config.heads) if config.dynamic_bias else None
        self.masks: Stack[WindowMask] = Stack(WindowMask(window) for window in config.windows)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks: Stack[Block] = Stack(Block(config, i) for i in range(config.depth))

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        weight = self.positions.embedding.weight
        state = [torch.zeros(batch, dtype=torch.int64, device=weight.device)]
        for block in self.blocks:
            state += block.begin(batch, capacity)
        return state

    @torch.jit.unused
    def for_export(self) -> Conformer:
        """See `Architecture.for_export`."""
        network = copy.deepcopy(self)
        for block in network.blocks:
            block.for_export(None if self.rotary is None else self.max_length)
        if self.rotary is not None:
            rotary = ExportedRotary(self.rotary, self.blocks[0].local, self.max_length)
            network.rotary, network.masks = rotary, Stack(())  # type: ignore[assignment]
        return network

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        position, length = state[0], x.shape[1]
        x = self.dropout(x + self.positions(position, length))
        rotary: Tensor | None = None
        if self.rotary is not None:
            rotary = self.rotary(position, length)
        past = state[2].shape[2] > 0  # keys of the first scale
        masks: list[Tensor] = []
        for mask in self.masks:
            bias: Tensor | None = None
            if self.bias is not None:
                bias = self.bias(mask.window)
            masks.append(mask(position, length, past, bias))
        if self.streams > 1:
            x = x.unsqueeze(2).expand(-1, -1, self.streams, -1)
        after = [position + length]
        for block in self.blocks:
            old = state[len(after) : len(after) + block.slots]
            x, new = block(x, position, rotary, masks, old)
            after += new
        if self.streams > 1:
            x = x.sum(2)
        return x, after


class Block(nn.Module):
    """Optional global attention, then the four sublayers, each with a residual connection."""

    renamed: ClassVar[dict[str, str]] = {"everything": "global_attention", "around": "residuals"}

    def __init__(self, config: ConformerConfig, index: int) -> None:
        super().__init__()
        self.first = HalfFeedForward(config)
        self.local = LocalAttention(config)
        self.convolution = Convolution(config.dim, config.kernel, config.dropout)
        self.second = HalfFeedForward(config)
        self.global_attention = GlobalAttention(config) if index in config.global_layers else None
        self.residuals: Stack[Residual] = Stack(
            HyperConnection(config.dim, config.streams, index) if config.streams > 1 else Residual()
            for _ in range(4 if self.global_attention is None else 5)
        )
        self.slots = 1 + 2 * len(config.windows) + (0 if self.global_attention is None else 2)

    @torch.jit.unused
    def for_export(self, max_length: int | None) -> None:
        """Replace the sublayers by those of `musictk_conformer.exported`.

        `max_length` is None where local attention has a learned bias.
        """
        for name, kind in EXPORTED.items():
            if self._modules.get(name) is not None:
                self._modules[name] = kind(self._modules[name])
        local = self.local
        self._modules["local"] = (
            ExportedBiasedAttention(local)
            if max_length is None
            else ExportedWindows(local, max_length)
        )
        for i, each in enumerate(self.residuals):
            if isinstance(each, HyperConnection):
                self.residuals[i] = ExportedHyperConnection(each)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state of this block."""
        state = self.convolution.begin(batch, capacity)
        state += self.local.begin(batch, capacity)
        if self.global_attention is not None:
            state += self.global_attention.begin(batch, capacity)
        return state

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        rotary: Tensor | None,
        masks: list[Tensor],
        state: list[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, streams, D) -> the same, and the new state."""
        global_state: list[Tensor] = []
        if self.global_attention is not None:
            branch, residual, gain = self.residuals[-1].branch(x)
            out, global_state = self.global_attention(branch, position, rotary, state[-2:])
            x = self.residuals[-1].merge(residual, gain, out)
        branch, residual, gain = self.residuals[0].branch(x)
        x = self.residuals[0].merge(residual, gain, self.first(branch))
        branch, residual, gain = self.residuals[1].branch(x)
        out, local_state = self.local(branch, rotary, masks, state[1:])
        x = self.residuals[1].merge(residual, gain, out)
        branch, residual, gain = self.residuals[2].branch(x)
        out, convolution_state = self.convolution(branch, state[:1])
        x = self.residuals[2].merge(residual, gain, out)
        branch, residual, gain = self.residuals[3].branch(x)
        x = self.residuals[3].merge(residual, gain, self.second(branch))
        return x, convolution_state + local_state + global_state
