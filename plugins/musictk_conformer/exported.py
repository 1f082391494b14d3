"""The conformer as it is exported: the same function with fewer, larger operations in a step.

A step of one position costs a runtime about a microsecond for each operation, whatever it
computes. So the scales of local attention share one norm and one rotation, products with constants
are part of the weights, and a hyper-connection mixes its streams with one product. Every export is
compared with the module that was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.layers import Rotary, positions
from musictk_conformer.residuals import HyperConnection, Residual
from musictk_conformer.sublayers import HalfFeedForward, LocalAttention

MOST = 256  # positions in one run of an exported conformer
Rotation = tuple[Tensor, Tensor]


class ExportedFeedForward(nn.Module):
    """`HalfFeedForward` with the factor ½ in its weights."""

    def __init__(self, trained: HalfFeedForward) -> None:
        super().__init__()
        self.norm, self.feedforward = trained.norm, trained.feedforward

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        inner, down = self.feedforward, self.feedforward.down
        hidden = inner.activation(inner.up(self.norm(x)))
        return F.linear(hidden, 0.5 * down.weight, 0.5 * down.bias)


class ExportedAlong(nn.Module):
    """A sublayer that expects (B, T, D), given (B, T, 1, D) by `ExportedHyperConnection`."""

    def __init__(self, trained: nn.Module) -> None:
        super().__init__()
        self.trained = trained

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state of the sublayer."""
        return cast(Any, self.trained).begin(batch, capacity)

    def forward(self, x: Tensor, *rest: Any) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the new state."""
        if x.dim() == 3:
            return self.trained(x, *rest)
        out, state = self.trained(x.squeeze(2), *rest)
        return out.unsqueeze(2), state


class ExportedLocalAttention(nn.Module):
    """`LocalAttention` whose scales are normalised and rotated together."""

    def __init__(self, trained: LocalAttention) -> None:
        super().__init__()
        self.trained = trained
        columns = [torch.arange(-w, MOST) for w in trained.windows]
        for i, (scale, column) in enumerate(zip(trained.scales, columns, strict=True)):
            # Not centred on the chunk: over MOST positions and one window it fits all the same.
            factor = torch.exp(-column.unsqueeze(1) * scale.attention.decay)
            self.register_buffer(f"decay{i}", factor, persistent=False)
        self.register_buffer("ones", torch.ones(trained.head_dim), persistent=False)
        self.ones: Tensor

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values of each scale."""
        return self.trained.begin(batch, capacity)

    def forward(
        self, x: Tensor, rotary: Rotation | None, masks: list[Tensor], state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the keys and values of each scale."""
        local = self.trained
        scales, heads, head_dim = len(local.windows), local.heads, local.head_dim
        weight = local.qkv.weight.view(scales, 3, heads, head_dim, -1).transpose(0, 1)
        projected = F.linear(local.norm(x), weight.reshape(3 * scales * heads * head_dim, -1))
        apart = projected.view(*x.shape[:2], 3 * scales * heads, head_dim)
        pair, values = torch.split(apart, [2 * scales * heads, scales * heads], 2)
        pair = self._rotated(self._normalised(pair), rotary).transpose(1, 2)
        parts = [*torch.split(pair, heads, 1), *torch.split(values.transpose(1, 2), heads, 1)]
        mixed: list[Tensor] = []
        after: list[Tensor] = []
        for i in range(scales):
            q, k, v = parts[i::scales]
            out, kept = self._attend(i, q, k, v, masks[i], state[2 * i : 2 * i + 2])
            mixed.append(out)
            after += kept
        share = local.mix.softmax(0).repeat_interleave(heads * head_dim)
        joined = torch.cat(mixed, 1).transpose(1, 2)
        return F.linear(joined.reshape(*x.shape[:-1], -1), local.out.weight * share), after

    def _attend(
        self, i: int, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """`WindowedAttention` of one block, given queries that have decayed."""
        attention, length = self.trained.scales[i].attention, k.shape[2]
        keys, values = torch.cat([state[0], k], 2), torch.cat([state[1], v], 2)
        seen = keys
        if attention.xpos:
            index = torch.arange(attention.window + length, device=q.device)
            seen = keys * self.get_buffer(f"decay{i}").index_select(0, index)
        out = F.scaled_dot_product_attention(q, seen, values, attn_mask=mask, scale=attention.scale)
        return out, [keys[:, :, length:], values[:, :, length:]]

    def _normalised(self, pair: Tensor) -> Tensor:
        """Queries, then keys (B, T, 2 · scales · H, Dh), with the norms of their scales."""
        splits = [scale.split for scale in self.trained.scales]
        norms = [*(each.q_norm for each in splits), *(each.k_norm for each in splits)]
        gains: list[Tensor] = [each.weight for each in norms if isinstance(each, nn.RMSNorm)]
        if not gains:
            return pair
        gain = torch.stack(gains).repeat_interleave(self.trained.heads, 0)
        return F.rms_norm(pair, (pair.shape[-1],), self.ones) * gain

    def _rotated(self, pair: Tensor, rotary: Rotation | None) -> Tensor:
        """`rotate`, of (B, T, 2 · scales · H, Dh)."""
        if rotary is None:
            return pair
        first, second = pair.chunk(2, -1)
        return pair * rotary[0] + torch.cat([second, first], -1) * rotary[1]


class ExportedRotary(nn.Module):
    """The cosines and sines of `Rotary`, for all heads of all scales; the queries also decay."""

    def __init__(self, trained: Rotary, local: LocalAttention) -> None:
        super().__init__()
        self.rates = trained.rates
        decays = [scale.attention.decay for scale in local.scales]
        both = torch.stack([*decays, *(torch.zeros_like(each) for each in decays)])
        self.decay = both.repeat_interleave(local.heads, 0)  # (2 · scales · H, Dh)

    def forward(self, position: Tensor, length: int) -> Rotation:
        """(B,) -> twice (B, T, 2 · scales · H, Dh)."""
        angle = positions(position, length)[:, :, None, None] * self.rates
        row = torch.arange(length, device=position.device)
        fade = torch.exp(row[:, None, None] * self.decay)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([cos, cos], -1) * fade, torch.cat([-sin, sin], -1) * fade


class ExportedMask(nn.Module):
    """`WindowMask` of one block, without a bias."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        distance = torch.arange(MOST).unsqueeze(1) - torch.arange(-window, MOST)
        self.register_buffer("near", (distance >= 0) & (distance <= window), persistent=False)
        self.near: Tensor

    def forward(
        self, position: Tensor, length: int, past: bool, bias: Tensor | None = None
    ) -> Tensor:
        """(B, 1, T, window + T), True where a query sees a key."""
        row = torch.arange(length, device=position.device)
        column = torch.arange(self.window + length, device=position.device)
        written = column >= (self.window - position).unsqueeze(1)  # (B, window + T)
        near = self.near.index_select(0, row).index_select(1, column)
        return near & written[:, None, None, :]


class ExportedHyperConnection(Residual):
    """`HyperConnection` with α and β as one matrix."""

    def __init__(self, trained: HyperConnection) -> None:
        super().__init__()
        self.trained = trained

    def branch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, n, D) -> the sublayer's input (B, T, 1, D), the mixed streams, β (B, T, n, 1)."""
        each, streams = self.trained, x.shape[2]
        weight = torch.cat([each.alpha_weight, each.beta_weight], 1)
        scale = torch.cat([each.alpha_scale.expand(1 + streams), each.beta_scale.expand(1)])
        start = torch.cat([each.alpha, each.beta.unsqueeze(1)], 1)
        mixing = torch.tanh(each.norm(x) @ weight) * scale + start  # (B, T, n, 1 + n + 1)
        mixed = mixing.transpose(-1, -2) @ x
        branch, residual, _ = torch.split(mixed, [1, streams, 1], 2)
        return branch, residual, mixing[..., -1:]

    def merge(self, residual: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """Add β times the output (B, T, 1, D) to each stream."""
        return residual + gain * out


# What stands in for a sublayer of a block, by its name.
EXPORTED: dict[str, Callable[[Any], nn.Module]] = {
    "first": ExportedFeedForward,
    "local": ExportedLocalAttention,
    "convolution": ExportedAlong,
    "global_attention": ExportedAlong,
    "second": ExportedFeedForward,
}
