"""Residual connections: plain, or hyper-connections (Zhu et al. 2024, arXiv 2409.19606)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musictk.model.layers import RMSNorm, autocast_input, has_backward
from musictk_conformer.mixing import Branch, Merge


class Residual(nn.Module):
    """x + f(x), in two steps: `branch` before the sublayer f, `merge` after it."""

    def branch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> the input of the sublayer, the residual, and the gain (unused here)."""
        return x, x, x

    def merge(self, residual: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add the output of the sublayer to the residual."""
        return residual + out


class HyperConnection(Residual):
    """Dynamic hyper-connections: n residual streams, mixed around one sublayer.

    α (n, 1 + n) and β (n,) are learned and depend on norm(h), where h are the n streams. Column 0
    of αᵀ h is the input of the sublayer, the others are the new streams, and each stream then gains
    β times the output. Initially α is [e_k | I] with k = index mod n and β is 1: the sublayer reads
    stream k, and every stream has a plain residual connection.
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

    def branch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, n, D) -> the sublayer's input (B, T, D), the mixed streams, β (B, T, n)."""
        weight = torch.cat([self.alpha_weight, self.beta_weight], 1)
        if not torch.jit.is_scripting() and has_backward(x):  # type: ignore[attr-defined]
            return self._branch(x, self.norm.weight.unsqueeze(1) * weight)
        mixing = torch.tanh(self.norm(x) @ weight)  # (B, T, n, 1 + n + 1)
        alpha = self.alpha + self.alpha_scale * mixing[..., :-1]
        beta = self.beta + self.beta_scale * mixing[..., -1]
        mixed = alpha.transpose(-1, -2) @ x  # (B, T, 1 + n, D)
        return mixed[:, :, 0], mixed[:, :, 1:], beta

    def merge(self, residual: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add β times the output (B, T, D) to each stream."""
        if not torch.jit.is_scripting() and has_backward(residual):  # type: ignore[attr-defined]
            return self._merge(residual, gain, out)
        return residual + gain.unsqueeze(-1) * out.unsqueeze(2)

    @torch.jit.unused
    def _branch(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`branch` with a hand-written backward pass; `weight` includes the norm's gain."""
        shape = x.shape
        found = Branch.apply(  # type: ignore[no-untyped-call]
            autocast_input(x).contiguous().flatten(0, 1),
            weight,
            self.alpha,
            self.beta,
            self.alpha_scale,
            self.beta_scale,
        )
        branch, streams, gain = (each.view(*shape[:2], *each.shape[1:]) for each in found)
        return branch, streams, gain

    @torch.jit.unused
    def _merge(self, residual: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """`merge` with a hand-written backward pass."""
        flat = (each.flatten(0, 1) for each in (residual, gain, out))
        merged: Tensor = Merge.apply(*flat)  # type: ignore[no-untyped-call]
        return merged.view(residual.shape)
