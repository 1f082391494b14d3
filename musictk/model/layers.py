"""Small parts that several bodies use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.positions import rotate

M = TypeVar("M", bound=nn.Module)

if TYPE_CHECKING:

    class Stack(nn.ModuleList, Generic[M]):
        """An `nn.ModuleList` that knows what it holds."""

        def __init__(self, modules: Iterable[M]) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        def __getitem__(self, index: int) -> M: ...  # type: ignore[override]

else:
    Stack = nn.ModuleList


class RMSNorm(nn.RMSNorm):
    """In the precision of its weight, whatever autocast makes of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return F.rms_norm(x.to(self.weight.dtype), self.normalized_shape, self.weight).to(x.dtype)


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


class Heads(nn.Module):
    """Splits a projection into heads; queries and keys may be normalised and turned."""

    def __init__(self, heads: int, head_dim: int, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.q_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()

    def forward(self, x: Tensor, turn: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3 D), and a `Rotary`'s turn -> queries, keys, values, each (B, H, T, Dh)."""
        batch, length, width = x.shape
        x = x.view(batch, length, 3, self.heads, width // (3 * self.heads)).transpose(1, 3)
        q, k = self.q_norm(x[:, :, 0]), self.k_norm(x[:, :, 1])
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        return q, k, x[:, :, 2]


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, Dh) -> (B, T, D)."""
    return x.transpose(1, 2).flatten(2)
