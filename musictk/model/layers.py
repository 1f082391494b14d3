"""Stateless layers: position encodings, normalisation, heads and feed-forwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.rms_norm import RMSNormalise
from musictk.model.split_heads import SplitHeads

_STD = 0.02  # of new embeddings
_BASE = 10000.0  # of the wavelengths of position encodings

M = TypeVar("M", bound=nn.Module)

if TYPE_CHECKING:

    class Stack(nn.ModuleList, Generic[M]):
        """An `nn.ModuleList` with a typed element."""

        def __init__(self, modules: Iterable[M]) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        def __getitem__(self, index: int) -> M: ...  # type: ignore[override]

else:
    Stack = nn.ModuleList


def has_backward(x: Tensor) -> bool:
    """Whether to use a hand-written backward pass: on a CPU, where gradients are recorded."""
    return x.device.type == "cpu" and torch.is_grad_enabled() and x.requires_grad


def autocast_input(x: Tensor) -> Tensor:
    """`x` in the dtype that autocast computes in on a CPU; unchanged where autocast is off."""
    return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x


def positions(position: Tensor, length: int) -> Tensor:
    """(B,) first positions -> (B, length): `length` consecutive positions in each row."""
    return position.unsqueeze(1) + torch.arange(length, device=position.device)


class LearnedPositions(nn.Module):
    """One learned vector per position (Radford et al. 2019)."""

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_length, dim)
        nn.init.normal_(self.embedding.weight, std=_STD)

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (B, length, D)."""
        return self.embedding(positions(position, length))


class PeriodicPositions(nn.Module):
    """Learned vectors for the position modulo each of several periods, such as a beat and a bar.

    For sequences on a fixed grid, in rows that begin at a multiple of the periods.
    """

    def __init__(self, periods: Iterable[int], dim: int) -> None:
        super().__init__()
        self.embeddings: Stack[nn.Embedding] = Stack(nn.Embedding(each, dim) for each in periods)
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=_STD)

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (B, length, D)."""
        index = positions(position, length)
        each: list[Tensor] = []
        for embedding in self.embeddings:
            each.append(embedding(index % embedding.weight.shape[0]))
        return torch.stack(each).sum(0)


class SinusoidalPositions(nn.Module):
    """Sines and cosines of geometric wavelengths (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(_BASE) / dim))
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (B, length, D)."""
        angle = positions(position, length).unsqueeze(-1) * self.rates
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)


class Rotary(nn.Module):
    """The angles of rotary position encodings (Su et al. 2021, arXiv 2104.09864)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        rates = _BASE ** (-torch.arange(0, head_dim, 2) / head_dim)
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (2, B, 1, length, Dh): the cosines and the sines that `rotate` takes."""
        angle = positions(position, length)[:, None, :, None] * self.rates
        angle = torch.cat([angle, angle], -1)
        return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Rotate `x` (B, H, T, Dh) by the output of `Rotary`, pairing dimension i with i + Dh/2."""
    one, two = x.chunk(2, -1)
    rotated = x * rotary[0] + torch.cat([-two, one], -1) * rotary[1]
    return rotated.to(x.dtype)


class RMSNorm(nn.RMSNorm):
    """Root-mean-square normalisation (Zhang & Sennrich 2019), in the weight's dtype.

    Autocast may give inputs of lower precision. With the hand-written backward pass, the result has
    the dtype that autocast computes the next layer in.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        if not torch.jit.is_scripting() and has_backward(x):  # type: ignore[attr-defined]
            return self._normalise(x)
        return F.rms_norm(x.to(self.weight.dtype), self.normalized_shape, self.weight).to(x.dtype)

    @torch.jit.unused
    def _normalise(self, x: Tensor) -> Tensor:
        """`forward` with a hand-written backward pass."""
        dtype = autocast_input(x[..., :0]).dtype
        normed: Tensor = RMSNormalise.apply(x, self.weight, dtype)  # type: ignore[no-untyped-call]
        return normed


class Heads(nn.Module):
    """Split a projection into heads; optionally normalise and rotate queries and keys."""

    def __init__(self, heads: int, head_dim: int, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.q_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()

    def forward(self, x: Tensor, rotary: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3 D), and the output of `Rotary` -> queries, keys and values (B, H, T, Dh)."""
        if not torch.jit.is_scripting() and has_backward(x):  # type: ignore[attr-defined]
            return self._split(x, rotary)
        batch, length, width = x.shape
        x = x.view(batch, length, 3, self.heads, width // (3 * self.heads)).transpose(1, 3)
        q, k, v = x.unbind(2)  # one backward pass for all three
        q, k = self.q_norm(q), self.k_norm(k)
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        return q, k, v

    @torch.jit.unused
    def _split(self, x: Tensor, rotary: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """`forward` with a hand-written backward pass."""
        gains: Tensor | None = None
        if isinstance(self.q_norm, RMSNorm) and isinstance(self.k_norm, RMSNorm):
            gains = torch.stack([self.q_norm.weight, self.k_norm.weight])
        parts: tuple[Tensor, Tensor, Tensor] = SplitHeads.apply(  # type: ignore[no-untyped-call]
            x, self.heads, rotary, gains
        )
        return parts


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, Dh) -> (B, T, D)."""
    return x.transpose(1, 2).flatten(2)


class ValueResidual(nn.Module):
    """Mix the values of a layer with those of the first (Zhou et al. 2024, arXiv 2410.17897).

    Both shares are learned and start at a half. The first layer scales its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.full((2,), 0.5))

    def forward(self, v: Tensor, first: Tensor | None) -> tuple[Tensor, Tensor]:
        """Values, and those of the first layer (None in it), (B, H, T, Dh) -> mixed, first."""
        if first is None:
            first = v
        return self.shares[0] * v + self.shares[1] * first, first


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
    """A gated feed-forward (Shazeer 2020, arXiv 2002.05202) with as many weights as a plain one."""

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
