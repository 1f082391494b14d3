"""The conformer as it is exported: the same function with fewer, larger operations in a step.

A step of one position costs a runtime about a microsecond for each operation, whatever it
computes. So the scales of local attention share one norm and one rotation, products with constants
are part of the weights, and a hyper-connection mixes its streams with one product. Every export is
compared with the module that was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk_conformer.residuals import HyperConnection, Residual
from musictk_conformer.sublayers import HalfFeedForward, LocalAttention


class ExportedFeedForward(nn.Module):
    """`HalfFeedForward` with the factor ½ in its weights."""

    def __init__(self, trained: HalfFeedForward) -> None:
        super().__init__()
        self.norm, self.feedforward = trained.norm, trained.feedforward

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        inner, down = self.feedforward, self.feedforward.down
        hidden = inner.activation(inner.up(self.norm(x)))
        return F.linear(hidden, 0.5 * down.weight, 0.5 * down.bias)


class ExportedLocalAttention(nn.Module):
    """`LocalAttention` whose scales are normalised and rotated together."""

    def __init__(self, trained: LocalAttention) -> None:
        super().__init__()
        self.trained = trained

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values of each scale."""
        return self.trained.begin(batch, capacity)

    def forward(
        self, x: Tensor, rotary: Tensor | None, masks: list[Tensor], state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the keys and values of each scale."""
        local = self.trained
        scales, heads, head_dim = len(local.windows), local.heads, local.head_dim
        weight = local.qkv.weight.view(scales, 3, heads, head_dim, -1).transpose(0, 1)
        projected = F.linear(local.norm(x), weight.reshape(3 * scales * heads * head_dim, -1))
        apart = projected.view(*x.shape[:2], 3 * scales * heads, head_dim)
        pair, values = apart.split([2 * scales * heads, scales * heads], 2)
        pair = self._rotated(self._normalised(pair), rotary).transpose(1, 2)
        parts = [*pair.split(heads, 1), *values.transpose(1, 2).split(heads, 1)]
        mixed: list[Tensor] = []
        after: list[Tensor] = []
        for i, scale in enumerate(local.scales):
            q, k, v = parts[i::scales]
            out, new_k, new_v = scale.attention(q, k, v, masks[i], state[2 * i], state[2 * i + 1])
            mixed.append(out)
            after += [new_k, new_v]
        share = local.mix.softmax(0).repeat_interleave(heads * head_dim)
        joined = torch.cat(mixed, 1).transpose(1, 2).flatten(2)
        return F.linear(joined, local.out.weight * share), after

    def _normalised(self, pair: Tensor) -> Tensor:
        """Queries, then keys (B, T, 2 · scales · H, Dh), with the norms of their scales."""
        splits = [scale.split for scale in self.trained.scales]
        norms = [*(each.q_norm for each in splits), *(each.k_norm for each in splits)]
        gains = [each.weight for each in norms if isinstance(each, nn.RMSNorm)]
        if not gains:
            return pair
        gain = torch.stack(gains).repeat_interleave(self.trained.heads, 0)
        return F.rms_norm(pair, (pair.shape[-1],)) * gain

    def _rotated(self, pair: Tensor, rotary: Tensor | None) -> Tensor:
        """`rotate`, of (B, T, N, Dh)."""
        if rotary is None:
            return pair
        cos, sin = rotary.transpose(2, 3)  # (B, T, 1, Dh)
        one, two = sin.chunk(2, -1)
        first, second = pair.chunk(2, -1)
        return pair * cos + torch.cat([second, first], -1) * torch.cat([-one, two], -1)


class ExportedHyperConnection(Residual):
    """`HyperConnection` with α and β as one matrix."""

    def __init__(self, trained: HyperConnection) -> None:
        super().__init__()
        self.trained = trained

    def branch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, n, D) -> the sublayer's input (B, T, D), the mixed streams, β (B, T, n, 1)."""
        each, streams = self.trained, x.shape[2]
        weight = torch.cat([each.alpha_weight, each.beta_weight], 1)
        scale = torch.cat([each.alpha_scale.expand(1 + streams), each.beta_scale.expand(1)])
        start = torch.cat([each.alpha, each.beta.unsqueeze(1)], 1)
        mixing = torch.tanh(each.norm(x) @ weight) * scale + start  # (B, T, n, 1 + n + 1)
        mixed = mixing.transpose(-1, -2) @ x
        branch, residual, _ = mixed.split([1, streams, 1], 2)
        return branch.squeeze(2), residual, mixing[..., -1:]

    def merge(self, residual: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add β times the output (B, T, D) to each stream."""
        return residual + gain * out.unsqueeze(2)


# What stands in for a sublayer of a block, by its name.
EXPORTED: dict[str, Callable[[Any], nn.Module]] = {
    "first": ExportedFeedForward,
    "local": ExportedLocalAttention,
    "second": ExportedFeedForward,
}
