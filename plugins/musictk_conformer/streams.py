"""Around a sublayer: a plain residual, or hyper-connections (Zhu et al. 2024, arXiv 2409.19606)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musictk.model.layers import RMSNorm


class Residual(nn.Module):
    """x + f(x)."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> what the sublayer reads, what is kept, and the gain (unused here)."""
        return x, x, x

    def join(self, kept: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add the sublayer's output to what was kept."""
        return kept + out


class HyperConnection(Residual):
    """Several residual streams with learned, input-dependent mixing around one sublayer.

    With n streams h: (α | β) from norm(h); the sublayer reads Σ α₀ h, the streams become α₁…ₙ h
    mixed, and each gains β times the output. α begins as [e_k | I], β as 1: a plain residual on
    stream k's reading.
    """

    def __init__(self, dim: int, streams: int, index: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim)
        start = torch.cat([torch.eye(streams)[:, [index % streams]], torch.eye(streams)], 1)
        self.alpha = nn.Parameter(start)  # (n, 1 + n)
        self.beta = nn.Parameter(torch.ones(streams))
        self.alpha_weight = nn.Parameter(torch.zeros(dim, 1 + streams))
        self.beta_weight = nn.Parameter(torch.zeros(dim, 1))
        self.alpha_scale = nn.Parameter(torch.tensor(0.01))
        self.beta_scale = nn.Parameter(torch.tensor(0.01))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, n, D) -> what the sublayer reads (B, T, D), the mixed streams, β (B, T, n)."""
        mixing = self.norm(x) @ torch.cat([self.alpha_weight, self.beta_weight], 1)
        mixing = torch.tanh(mixing)  # (B, T, n, 1 + n + 1)
        alpha = self.alpha + self.alpha_scale * mixing[..., :-1]
        beta = self.beta + self.beta_scale * mixing[..., -1]
        mixed = alpha.transpose(-1, -2) @ x  # (B, T, 1 + n, D)
        return mixed[:, :, 0], mixed[:, :, 1:], beta

    def join(self, kept: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add β times the output (B, T, D) to each stream."""
        return kept + gain.unsqueeze(-1) * out.unsqueeze(2)
