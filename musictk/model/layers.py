"""Small parts that several bodies use."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FeedForward(nn.Module):
    """Linear, activation, dropout, linear, dropout."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        activation: nn.Module,
        dropout: float = 0.0,
        inner_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.up = nn.Linear(dim, hidden)
        self.activation = activation
        self.inner_dropout = nn.Dropout(inner_dropout)
        self.down = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return self.dropout(self.down(self.inner_dropout(self.activation(self.up(x)))))


class SwiGLU(nn.Module):
    """A gated feed-forward (Shazeer 2020, arXiv 2002.05202) of the same size as a plain one."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        inner = hidden * 2 // 3
        self.up = nn.Linear(dim, 2 * inner)
        self.down = nn.Linear(inner, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        gate, value = self.up(x).chunk(2, -1)
        return self.dropout(self.down(F.silu(gate) * value))


def split_heads(x: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T, 3 D) -> queries, keys, values, each (B, H, T, Dh)."""
    x = x.unflatten(-1, (3, heads, -1)).transpose(1, 3)  # (B, H, 3, T, Dh)
    return x[:, :, 0], x[:, :, 1], x[:, :, 2]


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, Dh) -> (B, T, D)."""
    return x.transpose(1, 2).flatten(2)
