"""Local attention as it is exported: one node of ONNX Runtime for each scale, over a short cache.

GroupQueryAttention keeps the keys of a window in a cache that it writes in place, but knows no xpos
decay (Sun et al. 2022, arXiv 2212.10554). So queries and keys decay before they get there:

    q_i · k_j ζ^(i - j) = (q_i ζ^(i - c)) · (k_j ζ^(c - j))

With c half the maximum length, both factors fit single precision if the window is long enough.
A shorter window has heads of twice the width. Keys are written into one half or the other, by
turns of `window` positions; a query is in both halves, and decays from the beginning of its own
turn and of the turn before it, to which all keys in its window belong.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.grouped_query import sliding_attention
from musictk.model.layers import Rotary, positions
from musictk_conformer.sublayers import LocalAttention

ROOM = 64  # positions that a cache has beyond its window: it is compacted when these are full
RANGE = 48.0  # the largest exponent of a decay about half the maximum length


class ExportedRotary(nn.Module):
    """What the blocks of an exported conformer take from the positions, computed once a step."""

    def __init__(self, trained: Rotary, local: LocalAttention, max_length: int) -> None:
        super().__init__()
        self.trained = trained
        self.middle = max_length // 2
        self.turns = [
            scale.attention.window if wide else 0
            for scale, wide in zip(local.scales, widths(local, max_length), strict=True)
        ]
        decays = [
            scale.attention.decay.expand(local.heads * (2 if turn else 1), -1)
            for scale, turn in zip(local.scales, self.turns, strict=True)
        ]
        queries = torch.cat(decays)
        angle = torch.arange(max_length).unsqueeze(1) * trained.rates
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        self.register_buffer("decay", torch.cat([queries, -queries]), persistent=False)
        self.cos: Tensor
        self.sin: Tensor
        self.decay: Tensor  # (heads, Dh): of all queries, then of all keys
        self.heads = local.heads

    def forward(self, position: Tensor, length: int) -> list[Tensor]:
        """(B,) -> what `ExportedWindows` takes, and the output of `Rotary`.

        Cosines and sines (max_length, Dh / 2), the positions (B, T), decays (B, T, heads, Dh), the
        last position (B,), and the number of positions of the longest row.
        """
        at = positions(position, length)
        last = position + (length - 1)
        counts = [last.to(torch.int32), (last.max() + 1).to(torch.int32)]
        fade = self._since_turns(at) if any(self.turns) else self._fade(at - self.middle)
        return [self.cos, self.sin, at, fade, *counts, self.trained(position, length)]

    def _fade(self, distance: Tensor) -> Tensor:
        """(B, T), or (B, T, heads), by which each head decays -> (B, T, heads, Dh)."""
        wide = distance.view(*distance.shape[:2], -1, 1)
        return torch.exp(wide.to(self.decay.dtype) * self.decay)

    def _since_turns(self, at: Tensor) -> Tensor:
        """`_fade` where some heads have twice the width: their halves take turns."""
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        gates: list[Tensor] = []
        for turn in self.turns:
            if turn == 0:
                queries += [at - self.middle] * self.heads
                keys += [at - self.middle] * self.heads
                gates += [torch.ones_like(at)] * self.heads
                continue
            since = at % turn
            here = [((at // turn) % 2 == half).to(at.dtype) for half in range(2)]
            queries += [since + turn * (1 - each) for each in here] * self.heads
            keys += [since, since] * self.heads
            gates += here * self.heads
        fade = self._fade(torch.stack([*queries, *keys], -1))
        gate = torch.stack([*[torch.ones_like(at)] * len(gates), *gates], -1)
        return fade * gate.unsqueeze(-1).to(fade.dtype)


class ExportedWindows(nn.Module):
    """`LocalAttention` with one `GroupQueryAttention` for each scale.

    The state are keys and values (B, H, window + 1 + ROOM, Dh) of each scale, of 2 Dh where it is
    wide.
    """

    def __init__(self, trained: LocalAttention, max_length: int) -> None:
        super().__init__()
        self.trained = trained
        self.halves = [2 if wide else 1 for wide in widths(trained, max_length)]
        self.register_buffer("ones", torch.ones(trained.head_dim), persistent=False)
        self.ones: Tensor

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Keys and values of each scale."""
        local, state = self.trained, []
        for window, halves in zip(local.windows, self.halves, strict=True):
            shape = (batch, local.heads, window + 1 + ROOM, halves * local.head_dim)
            state += [local.mix.new_zeros(shape) for _ in range(2)]
        return state

    def forward(
        self, x: Tensor, rotary: list[Tensor], masks: list[Tensor], state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) or (B, T, 1, D) -> the same, and the keys and values of each scale."""
        local = self.trained
        cos, sin, at, fade, last, total, _ = rotary
        widths = [halves * local.heads * local.head_dim for halves in self.halves]
        projected = F.linear(local.norm(x), self._projection()).flatten(2)
        pair, *values = torch.split(projected, [2 * sum(widths), *widths], -1)
        pair = self._faded(pair, fade)
        pair = torch.onnx.ops.symbolic(
            "com.microsoft::RotaryEmbedding",
            (pair, at, cos, sin),
            dtype=x.dtype,
            shape=pair.shape,
            version=1,
        )
        parts = torch.split(pair, [*widths, *widths], -1)
        mixed: list[Tensor] = []
        after: list[Tensor] = []
        for i, scale in enumerate(local.scales):
            q, k = parts[i], parts[len(widths) + i]
            window, scaled = scale.attention.window, scale.attention.scale
            out, *kept = sliding_attention(
                (q, k, values[i], state[2 * i], state[2 * i + 1], last, total),
                local.heads,
                window + 1,
                local.head_dim**-0.5 if scaled is None else scaled,
            )
            mixed.append(out)
            after += kept
        joined = F.linear(torch.cat(mixed, -1), self._output())
        return joined.unsqueeze(2) if x.dim() == 4 else joined, after

    def _faded(self, pair: Tensor, fade: Tensor) -> Tensor:
        """Queries, then keys, (B, T, heads Dh): normalised, and with their decay."""
        apart = pair.view(*fade.shape)
        gain = gains(self.trained)
        if gain is not None:
            wide = [
                each.repeat_interleave(halves, 0)
                for part in gain
                for each, halves in zip(part, self.halves, strict=True)
            ]
            apart = F.rms_norm(apart, fade.shape[-1:], self.ones)
            fade = fade * torch.cat(wide)
        return (apart * fade).flatten(2)

    def _projection(self) -> Tensor:
        """The weight of `qkv`: the queries of all scales, their keys, their values."""
        found: list[Tensor] = []
        for i, part in enumerate(by_part(self.trained)):
            for each, halves in zip(part, self.halves, strict=True):  # (H, Dh, D)
                copies = [each, each if i < 2 else torch.zeros_like(each)][:halves]
                found.append(torch.stack(copies, 1).flatten(0, 2))
        return torch.cat(found)

    def _output(self) -> Tensor:
        """The weight of `out`, with the share of each scale."""
        local = self.trained
        found: list[Tensor] = []
        shape = (-1, len(local.windows), local.heads, local.head_dim)
        for each, halves in zip(
            mixed_weight(local).view(shape).unbind(1), self.halves, strict=True
        ):
            copies = [each, torch.zeros_like(each)][:halves]
            found.append(torch.stack(copies, 2).flatten(1))
        return torch.cat(found, 1)


def widths(local: LocalAttention, max_length: int) -> list[bool]:
    """Whether each scale has heads of twice the width."""
    return [
        float(scale.attention.decay.abs().max()) * max_length / 2 > RANGE for scale in local.scales
    ]


def by_part(local: LocalAttention) -> Tensor:
    """The weight of `qkv` as (3, scales, H, Dh, D)."""
    shape = (len(local.windows), 3, local.heads, local.head_dim, -1)
    return local.qkv.weight.view(shape).transpose(0, 1)


def mixed_weight(local: LocalAttention) -> Tensor:
    """The weight of `out`, with the share of each scale."""
    share = local.mix.softmax(0).repeat_interleave(local.heads * local.head_dim)
    return local.out.weight * share


def gains(local: LocalAttention) -> Tensor | None:
    """(2, scales, H, Dh): the gains of queries and of keys; None where they are not normalised."""
    splits = [scale.split for scale in local.scales]
    norms = [[each.q_norm for each in splits], [each.k_norm for each in splits]]
    found = [
        torch.stack([each.weight for each in part if isinstance(each, nn.RMSNorm)])
        for part in norms
        if all(isinstance(each, nn.RMSNorm) for each in part)
    ]
    if not found:
        return None
    return torch.stack(found).unsqueeze(2).expand(-1, -1, local.heads, -1)
