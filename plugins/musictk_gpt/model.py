"""GPT-2 (Radford et al. 2019), with later findings as options."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musictk.model.attention import CausalAttention, buffers
from musictk.model.contract import Architecture
from musictk.model.layers import FeedForward, Heads, RMSNorm, Stack, SwiGLU, merge_heads
from musictk.model.positions import LearnedPositions, Rotary
from musictk.model.sizes import check_body


@dataclass(frozen=True)
class GPTConfig:
    """GPT-2 as published; each option is off by default."""

    dim: int = 512
    depth: int = 8
    heads: int = 8
    feedforward: int = 4  # times as wide as the body, inside
    dropout: float = 0.1
    max_length: int = 8192
    rotary: bool = False  # instead of learned absolute positions
    rmsnorm: bool = False  # instead of LayerNorm
    swiglu: bool = False  # instead of GELU
    qk_norm: bool = False  # RMSNorm on queries and keys (Henry et al. 2020)

    def __post_init__(self) -> None:
        check_body(self, "gpt", even_heads=self.rotary)


class GPT(Architecture):
    """Pre-norm decoder: x + attention(norm(x)), x + feedforward(norm(x)).

    State: position (B,), then keys and values (B, H, capacity, Dh) of each block.
    """

    Config = GPTConfig
    name = "gpt"
    input_std = 0.02  # what its other weights begin with; 2.66 against 2.79 nats after 120 steps

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        self.dim, self.max_length = config.dim, config.max_length
        self.heads, self.head_dim = config.heads, config.dim // config.heads
        self.rotary = config.rotary
        self.positions = None if config.rotary else LearnedPositions(config.max_length, config.dim)
        self.turns = Rotary(self.head_dim) if config.rotary else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks: Stack[Block] = Stack(Block(config) for _ in range(config.depth))
        self._initialise(config.depth)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        like = self.blocks[0].qkv.weight
        state = [torch.zeros(batch, dtype=torch.int64, device=like.device)]
        depth = len(self.blocks)
        state += buffers(like, depth, batch, self.heads, capacity, self.head_dim)
        return state

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        position, length = state[0], x.shape[1]
        turn: Tensor | None = None
        if self.positions is not None:
            x = x + self.positions(position, length)
        if self.turns is not None:
            turn = self.turns(position, length)
        x = self.dropout(x)
        after = [position + length]
        for i, block in enumerate(self.blocks):
            x, keys, values = block(x, position, state[2 * i + 1], state[2 * i + 2], turn)
            after += [keys, values]
        return x, after

    def _initialise(self, depth: int) -> None:
        for name, weight in self.blocks.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.dim() == 2:
                # What adds to the residual stream is scaled by the number of additions.
                into_residual = name.endswith(("down.weight", "out.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5 if into_residual else 0.02)


class Block(nn.Module):
    """One layer."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        dim, hidden = config.dim, config.feedforward * config.dim
        norm = RMSNorm if config.rmsnorm else nn.LayerNorm
        self.norm1, self.norm2 = norm(dim), norm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.split = Heads(config.heads, dim // config.heads, config.qk_norm)
        self.attention = CausalAttention(config.dropout)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(config.dropout)
        self.feedforward = (
            SwiGLU(dim, hidden, config.dropout)
            if config.swiglu
            else FeedForward(dim, hidden, nn.GELU(), config.dropout)
        )

    def forward(
        self, x: Tensor, position: Tensor, keys: Tensor, values: Tensor, turn: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> (B, T, D), and the new keys and values."""
        q, k, v = self.split(self.qkv(self.norm1(x)), turn)
        mixed, keys, values = self.attention(q, k, v, position, keys, values)
        x = x + self.dropout(self.out(merge_heads(mixed)))
        return x + self.feedforward(self.norm2(x)), keys, values
