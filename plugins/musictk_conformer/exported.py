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
from musictk_conformer.sublayers import (
    Convolution,
    GlobalAttention,
    HalfFeedForward,
    LocalAttention,
)
from musictk_conformer.windows import by_part, gains, mixed_weight


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


class ExportedGlobalAttention(nn.Module):
    """`GlobalAttention` that also takes (B, T, 1, D), from `ExportedHyperConnection`."""

    def __init__(self, trained: GlobalAttention) -> None:
        super().__init__()
        self.trained = trained

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values."""
        return self.trained.begin(batch, capacity)

    def forward(
        self, x: Tensor, position: Tensor, rotary: list[Tensor] | None, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the keys and values."""
        angles = None if rotary is None else rotary[-1]
        out, state = self.trained(x.flatten(2), position, angles, state)
        return out.unsqueeze(2) if x.dim() == 4 else out, state


class ExportedConvolution(nn.Module):
    """`Convolution` whose depthwise convolution, state and Swish are one node of ONNX Runtime.

    The state is (B, 2 D, kernel - 1): with channels last, the node is nine times as slow for 1,024
    of them.
    """

    def __init__(self, trained: Convolution) -> None:
        super().__init__()
        self.trained = trained

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Zeros (B, 2 D, kernel - 1)."""
        return [each.transpose(1, 2) for each in self.trained.begin(batch, capacity)]

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the new state."""
        trained = self.trained
        rows = x.flatten(2)
        frames = F.glu(trained.up(trained.norm(rows)), -1).transpose(1, 2)
        out, tail = torch.onnx.ops.symbolic_multi_out(
            "com.microsoft::CausalConvWithState",
            (frames, trained.depthwise.weight, trained.depthwise.bias, state[0]),
            attrs={"activation": "silu"},
            dtypes=(x.dtype, x.dtype),
            shapes=(frames.shape, state[0].shape),
            version=1,
        )
        down = trained.down(trained.channel_norm(out.transpose(1, 2)))
        return down.unsqueeze(2) if x.dim() == 4 else down, [tail]


class ExportedBiasedAttention(nn.Module):
    """`LocalAttention` with a learned bias, whose scales are normalised together."""

    def __init__(self, trained: LocalAttention) -> None:
        super().__init__()
        self.trained = trained
        self.register_buffer("ones", torch.ones(trained.head_dim), persistent=False)
        self.ones: Tensor

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values of each scale."""
        return self.trained.begin(batch, capacity)

    def forward(
        self, x: Tensor, rotary: None, masks: list[Tensor], state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the keys and values of each scale."""
        local = self.trained
        scales, heads, head_dim = len(local.windows), local.heads, local.head_dim
        projected = F.linear(local.norm(x), by_part(local).flatten(0, 3))
        apart = projected.view(*x.shape[:2], 3 * scales * heads, head_dim)
        pair, values = torch.split(apart, [2 * scales * heads, scales * heads], 2)
        if (gain := gains(local)) is not None:
            pair = F.rms_norm(pair, (head_dim,), self.ones) * gain.flatten(0, 2)
        pair = pair.transpose(1, 2)
        parts = [*torch.split(pair, heads, 1), *torch.split(values.transpose(1, 2), heads, 1)]
        mixed: list[Tensor] = []
        after: list[Tensor] = []
        for i, scale in enumerate(local.scales):
            q, k, v = parts[i::scales]
            past_k, past_v = state[2 * i : 2 * i + 2]
            out, past_k, past_v = scale.attention(q, k, v, masks[i], past_k, past_v)
            mixed.append(out)
            after += [past_k, past_v]
        joined = torch.cat(mixed, 1).transpose(1, 2)
        return F.linear(joined.reshape(*x.shape[:-1], -1), mixed_weight(local)), after


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


# What replaces a sublayer of a block, by its name.
EXPORTED: dict[str, Callable[[Any], nn.Module]] = {
    "first": ExportedFeedForward,
    "convolution": ExportedConvolution,
    "global_attention": ExportedGlobalAttention,
    "second": ExportedFeedForward,
}
