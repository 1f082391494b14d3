"""The sublayers of a conformer block. Each normalises its input; none has a residual connection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.decoder import CausalAttention, buffers
from musictk.model.layers import (
    FeedForward,
    Heads,
    Stack,
    autocast_input,
    has_backward,
    merge_heads,
)
from musictk.model.windowed import WindowedAttention, append_past
from musictk_conformer.config import ConformerConfig
from musictk_conformer.depthwise import Depthwise


class HalfFeedForward(nn.Module):
    """Half of a feed-forward with Swish, as in Macaron nets (Lu et al. 2019)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        dim, hidden, dropout = config.dim, config.feedforward * config.dim, config.dropout
        self.norm = nn.LayerNorm(dim)
        self.feedforward = FeedForward(dim, hidden, nn.SiLU(), dropout, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return 0.5 * self.feedforward(self.norm(x))


class Convolution(nn.Module):
    """Pointwise, GLU, causal depthwise, Swish, norm, pointwise.

    The state is the last kernel - 1 inputs of the depthwise convolution.
    """

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.past = kernel - 1
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.depthwise = nn.Conv1d(2 * dim, 2 * dim, kernel, groups=2 * dim)
        self.channel_norm = nn.LayerNorm(2 * dim)
        self.down = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Zeros (B, kernel - 1, 2 D)."""
        length = self.past if capacity > 0 else 0
        return [self.up.weight.new_zeros(batch, length, self.depthwise.in_channels)]

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the new state."""
        frames, tail = append_past(state[0], F.glu(self.up(self.norm(x)), -1), self.past)
        x = self._depthwise(frames)
        return self.dropout(self.down(self.channel_norm(F.silu(x)))), [tail]

    def _depthwise(self, x: Tensor) -> Tensor:
        """(B, kernel - 1 + T, 2 D) -> (B, T, 2 D)."""
        if not torch.jit.is_scripting() and has_backward(x):  # type: ignore[attr-defined]
            return self._with_backward(x)
        return self.depthwise(x.transpose(1, 2)).transpose(1, 2)

    @torch.jit.unused
    def _with_backward(self, x: Tensor) -> Tensor:
        """`_depthwise` with a hand-written backward pass."""
        weight, bias = self.depthwise.weight, self.depthwise.bias
        out: Tensor = Depthwise.apply(autocast_input(x), weight, bias)  # type: ignore[no-untyped-call]
        return out


class Scale(nn.Module):
    """Windowed attention at one scale, without its projections."""

    def __init__(self, config: ConformerConfig, window: int) -> None:
        super().__init__()
        head_dim = config.dim // config.heads
        self.split = Heads(config.heads, head_dim, config.qk_norm)
        self.attention = WindowedAttention(
            window, head_dim, config.dropout, logit_scale(config), xpos=not config.dynamic_bias
        )

    def forward(
        self, x: Tensor, rotary: Tensor | None, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3 D) -> (B, T, D), and the new keys and values."""
        q, k, v = self.split(x, rotary)
        out, keys, values = self.attention(q, k, v, mask, keys, values)
        return merge_heads(out), keys, values


class LocalAttention(nn.Module):
    """Windowed attention at several scales, weighted by softmax(mix).

    The projections of all scales are one matrix.
    """

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        dim, scales = config.dim, len(config.windows)
        self.heads, self.head_dim = config.heads, dim // config.heads
        self.windows = config.windows
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, scales * 3 * dim, bias=False)
        self.scales = Stack(Scale(config, window) for window in config.windows)
        self.mix = nn.Parameter(torch.zeros(scales))
        self.out = nn.Linear(scales * dim, dim, bias=False)
        nn.init.uniform_(self.out.weight, -(dim**-0.5), dim**-0.5)  # as for one scale

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values of each scale."""
        state: list[Tensor] = []
        for window in self.windows:
            length = window if capacity > 0 else 0
            state += buffers(self.mix, 1, batch, self.heads, length, self.head_dim)
        return state

    def forward(
        self, x: Tensor, rotary: Tensor | None, masks: list[Tensor], state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the keys and values of each scale."""
        projected = self.qkv(self.norm(x)).chunk(len(self.windows), -1)
        mixed: list[Tensor] = []
        after: list[Tensor] = []
        for i, scale in enumerate(self.scales):
            out, keys, values = scale(
                projected[i], rotary, masks[i], state[2 * i], state[2 * i + 1]
            )
            mixed.append(out)
            after += [keys, values]
        share = self.mix.softmax(0).repeat_interleave(x.shape[-1])
        joined = torch.cat(mixed, -1)
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._project(joined, share), after
        return F.linear(joined, self.out.weight * share), after

    @torch.jit.unused
    def _project(self, x: Tensor, share: Tensor) -> Tensor:
        """The last projection of x ∘ share, with its adapters, which its weight does not have."""
        if type(self.out) is nn.Linear:
            return F.linear(x, self.out.weight * share)
        out: Tensor = self.out(x * share)
        return out


class GlobalAttention(nn.Module):
    """Full causal attention with its projections."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads, self.head_dim = config.heads, dim // config.heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.split = Heads(config.heads, self.head_dim, config.qk_norm)
        self.attention = CausalAttention(config.dropout, logit_scale(config))
        self.out = nn.Linear(dim, dim, bias=False)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values."""
        return buffers(self.out.weight, 1, batch, self.heads, capacity, self.head_dim)

    def forward(
        self, x: Tensor, position: Tensor, rotary: Tensor | None, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the keys and values."""
        q, k, v = self.split(self.qkv(self.norm(x)), rotary)
        mixed, keys, values = self.attention(q, k, v, position, state[0], state[1])
        return self.out(merge_heads(mixed)), [keys, values]


def logit_scale(config: ConformerConfig) -> float | None:
    """With qk_norm, 8 times the cosine: RMSNorm gives queries and keys the length √Dh."""
    return 8 / (config.dim // config.heads) if config.qk_norm else None
