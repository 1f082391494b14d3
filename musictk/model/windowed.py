"""Causal attention within a window, without weights; used by the conformer.

On export to ONNX a chunk is one block: a masked product over window + T keys. Its cost and, with
xpos, its range of values grow with T, so feed an exported model at most 256 positions at a time;
by the chunking law the result is the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.banded import banded_attention, xpos_decay
from musictk.model.layers import has_backward

# The smallest window with xpos that can be exported: in a block of 256 positions the decay reaches
# e^±(128 · 1.25 / (window // 2)), which has to fit single precision.
MIN_EXPORTED_WINDOW = 8


class WindowMask(nn.Module):
    """The mask of `WindowedAttention`, computed once for all layers with the same window."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(
        self, position: Tensor, length: int, past: bool, bias: Tensor | None = None
    ) -> Tensor:
        """The mask for `length` new positions, the first of each row at `position` (B,).

        (B · blocks, 1, block, context + block), True where a query sees a key. With `bias`
        (H, window + 1) by distance: values to add to the logits, with H in place of the 1.
        `past`: whether the state keeps past keys.
        """
        context = left_context(length, self.window, past)
        block = block_length(length, self.window)
        blocks = (length + block - 1) // block
        column = torch.arange(context + block, device=position.device)
        row = torch.arange(block, device=position.device).unsqueeze(1)
        distance = row + context - column  # (block, context + block)
        near = (distance >= 0) & (distance <= self.window)
        first = torch.arange(blocks, device=position.device) * block - context
        key = position[:, None, None] + first.unsqueeze(1) + column  # (B, blocks, context + block)
        seen = near & (key >= 0).flatten(0, 1)[:, None, None, :]
        if bias is None:
            return seen
        by_pair = bias[:, distance.clamp(0, self.window)]  # (H, block, context + block)
        return by_pair.masked_fill(~seen, float("-inf"))


class WindowedAttention(nn.Module):
    """Attention of each position to itself and the `window` positions before it.

    The state is the last `window` keys and values. A chunk is cut into blocks of `window` queries;
    each attends to its own block and the one before, so T positions cost O(T · window).
    With `xpos` the logits decay with distance (Sun et al. 2022, arXiv 2212.10554). The decay is
    centred on the middle of each block, so it cannot overflow, however long the piece is. On export
    a block is a whole chunk, and a window below MIN_EXPORTED_WINDOW would overflow.
    """

    def __init__(
        self,
        window: int,
        head_dim: int,
        dropout: float = 0.0,
        scale: float | None = None,
        xpos: bool = False,
    ) -> None:
        super().__init__()
        self.window = window
        self.dropout = dropout
        self.scale = scale
        self.xpos = xpos
        self.register_buffer("decay", xpos_decay(head_dim, window), persistent=False)
        self.decay: Tensor

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from T new positions.

        `q`, `k`, `v` (B, H, T, Dh); `mask` from `WindowMask`; `keys`, `values` (B, H, window, Dh),
        or (B, H, 0, Dh) to keep no past. Returns (B, H, T, Dh), and the new keys and values.
        """
        length = q.shape[2]
        plain = keys.shape[2] == 0 and mask.dtype == torch.bool  # no past, no bias
        if not torch.jit.is_scripting() and plain and has_backward(q):  # type: ignore[attr-defined]
            dropout = self.dropout if self.training else 0.0
            out = banded_attention(q, k, v, self.scale, self.window, self.xpos, dropout)
            return out, keys, values
        context = left_context(length, self.window, keys.shape[2] > 0)
        all_k, keys = append_past(keys, k, context)
        all_v, values = append_past(values, v, context)
        block = block_length(length, self.window)
        blocks = (length + block - 1) // block
        if blocks > 1:
            padding = blocks * block - length
            q = cut_blocks(F.pad(q, (0, 0, 0, padding)), block, block)
            all_k = cut_blocks(F.pad(all_k, (0, 0, 0, padding)), context + block, block)
            all_v = cut_blocks(F.pad(all_v, (0, 0, 0, padding)), context + block, block)
        if self.xpos:
            row = torch.arange(block, device=q.device, dtype=torch.float32)
            column = torch.arange(context + block, device=q.device) - context
            middle = row.mean()  # not (block - 1) / 2: the exporter cannot divide a size
            q = q * torch.exp((row - middle).unsqueeze(1) * self.decay).to(q.dtype)
            all_k = all_k * torch.exp((middle - column).unsqueeze(1) * self.decay).to(q.dtype)
        out = F.scaled_dot_product_attention(
            q,
            all_k,
            all_v,
            attn_mask=mask if mask.dtype == torch.bool else mask.to(q.dtype),
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )
        if blocks > 1:
            batch, heads = k.shape[0], k.shape[1]
            out = out.view(batch, blocks, heads, block, -1).transpose(1, 2)
            out = out.reshape(batch, heads, blocks * block, -1)[:, :, :length]
        return out, keys, values


def block_length(length: int, window: int) -> int:
    """How many of `length` queries form one block."""
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        exporting = torch.onnx.is_in_onnx_export()
        if exporting:
            return length
    return min(length, window)


def left_context(length: int, window: int, past: bool) -> int:
    """How many keys before its own a block is given: 0 if there is one block and no past."""
    return window if past or block_length(length, window) < length else 0


def append_past(past: Tensor, new: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """(…, length, D) and (…, T, D) -> both joined (…, length + T, D), and the last `length`.

    An empty past counts as `length` zeros and stays empty.
    """
    if past.shape[-2] == 0:
        return F.pad(new, (0, 0, length, 0)), past
    joined = torch.cat([past.to(new.dtype), new], -2)
    return joined, joined[..., joined.shape[-2] - length :, :].to(past.dtype)


def cut_blocks(x: Tensor, size: int, step: int) -> Tensor:
    """(B, H, L, D) -> (B · blocks, H, size, D): a block of `size` positions every `step`."""
    return x.unfold(2, size, step).permute(0, 2, 1, 4, 3).flatten(0, 1)


class DynamicBias(nn.Module):
    """A learned bias on the logits for each head and distance: an MLP over the distance."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(1, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU())
        self.last = nn.Linear(dim, heads)

    def forward(self, window: int) -> Tensor:
        """(H, window + 1): the bias at distances 0 … window."""
        weight = self.last.weight
        distance = torch.arange(window + 1, device=weight.device, dtype=weight.dtype)
        return self.last(self.hidden(distance.unsqueeze(1))).t()
