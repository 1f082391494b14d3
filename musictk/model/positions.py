"""Ways to tell a body where it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from musictk.model.attention import reach


class LearnedPositions(nn.Module):
    """One learned vector a position (Radford et al. 2019)."""

    def __init__(self, max_length: int, dim: int, std: float = 0.02) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_length, dim)
        nn.init.normal_(self.embedding.weight, std=std)

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (B, length, D)."""
        return self.embedding(reach(position, length))


class SinusoidalPositions(nn.Module):
    """Sines and cosines of geometric wavelengths (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (B, length, D)."""
        angle = reach(position, length).unsqueeze(-1) * self.rates
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021, arXiv 2104.09864), pairing dimension i with i + Dh/2."""

    def __init__(self, head_dim: int, base: float = 10000.0) -> None:
        super().__init__()
        rates = base ** (-torch.arange(0, head_dim, 2) / head_dim)
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor

    def forward(self, position: Tensor, length: int) -> Tensor:
        """(B,) -> (2, B, 1, length, Dh): the cosines and sines that `rotate` takes."""
        angle = reach(position, length)[:, None, :, None] * self.rates
        angle = torch.cat([angle, angle], -1)
        return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair of `x` (B, H, T, Dh) by the angles of `turn` (2, B, 1, T, Dh)."""
    one, two = x.chunk(2, -1)
    turned = x * turn[0] + torch.cat([-two, one], -1) * turn[1]
    return turned.to(x.dtype)


class DynamicBias(nn.Module):
    """A logit bias for each head and distance, from an MLP over the distance."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(1, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU())
        self.last = nn.Linear(dim, heads)

    def forward(self, furthest: int) -> Tensor:
        """(H, furthest + 1): the bias at distances 0 … furthest."""
        weight = self.last.weight
        distance = torch.arange(furthest + 1, device=weight.device, dtype=weight.dtype)
        return self.last(self.hidden(distance.unsqueeze(1))).t()
