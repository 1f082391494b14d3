"""The attention kernels that bodies share. Weightless: a body projects, a kernel attends.

How this exports. TorchScript compiles what is written here. For ONNX, `CausalAttention` becomes
one `com.microsoft.GroupQueryAttention` node, whose past and present may be bound to one
preallocated buffer; the keys are written in place there as they are here. `WindowedAttention`
exports as its own single block: a masked product over window + T keys whose state slides. Its cost
and, with xpos, its number range grow with T, so an exported prefill is best fed in chunks of at
most 256 positions, which is the same by the chunking law.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Exported, a block of 256 positions decays by e^±(128 · 1.25 / (window // 2)) about its middle.
LEAST_EXPORTED = 8  # positions of a window with xpos


class CausalAttention(nn.Module):
    """Full causal attention with a preallocated state, written in place at each row's position."""

    def __init__(self, dropout: float = 0.0, scale: float | None = None) -> None:
        super().__init__()
        self.dropout = dropout
        self.scale = scale  # of the logits; None is head_dim^-1/2

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, position: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from T new positions to all before them and themselves.

        `q`, `k`, `v` (B, H, T, Dh); `position` (B,) where each row stands; `keys`, `values`
        (B, H, capacity, Dh), capacity 0 keeping no past. Returns (B, H, T, Dh) and both buffers.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            exporting = torch.onnx.is_in_onnx_export()
            if exporting:
                return grouped_query_attention(q, k, v, position, keys, values, self.scale)
        dropout = self.dropout if self.training else 0.0
        if keys.shape[2] == 0:
            out = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True, scale=self.scale
            )
            return out, keys, values
        index = reach(position, q.shape[2])
        write(keys, k, index)
        write(values, v, index)
        end = keys.shape[2]
        if not keys.is_cuda:  # on CUDA reading the position would stall, and a graph could not
            end = int(index.max()) + 1
        mask = torch.arange(end, device=keys.device) <= index[:, None, :, None]
        past_k, past_v = keys[:, :, :end].to(q.dtype), values[:, :, :end].to(q.dtype)
        out = F.scaled_dot_product_attention(
            q, past_k, past_v, attn_mask=mask, dropout_p=dropout, scale=self.scale
        )
        return out, keys, values


class WindowMask(nn.Module):
    """The mask of a `WindowedAttention`, the same for every layer that has its window."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(
        self, position: Tensor, length: int, past: bool, bias: Tensor | None = None
    ) -> Tensor:
        """For `length` new positions of rows that stand at `position` (B,), with a past or none.

        (B · blocks, 1, block, back + block), True where a query sees a key; with `bias`
        (H, window + 1), a value for each distance, (B · blocks, H, block, back + block) to add.
        """
        back = look_back(length, self.window, past)
        block = block_length(length, self.window)
        blocks = (length + block - 1) // block
        column = torch.arange(back + block, device=position.device)
        row = torch.arange(block, device=position.device).unsqueeze(1)
        distance = row + back - column  # (block, back + block)
        near = (distance >= 0) & (distance <= self.window)
        first = torch.arange(blocks, device=position.device) * block - back
        place = position[:, None, None] + first.unsqueeze(1) + column  # (B, blocks, back + block)
        seen = near & (place >= 0).flatten(0, 1)[:, None, None, :]
        if bias is None:
            return seen
        each = bias[:, distance.clamp(0, self.window)]  # (H, block, back + block)
        return each.masked_fill(~seen, float("-inf"))


class WindowedAttention(nn.Module):
    """Attention of each position to itself and the `window` before it.

    The state is the last `window` keys and values. A chunk is cut into blocks of `window` queries,
    each against its own block and the one before, so T positions cost O(T · window).
    With `xpos` the logits decay with distance (Sun et al. 2022, arXiv 2212.10554); the decay is
    applied about the middle of each block, so it does not overflow however long the piece is. An
    exported block is a whole chunk: there a window below LEAST_EXPORTED would.
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
        # Rotary pairs dimension i with i + head_dim / 2; both halves of a pair decay alike.
        rate = (torch.arange(0, head_dim, 2) + 0.4 * head_dim) / (1.4 * head_dim)
        decay = torch.cat([rate, rate]).log() / max(window // 2, 1)
        self.register_buffer("decay", decay, persistent=False)  # (Dh,) log of decay per step
        self.decay: Tensor

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from T new positions.

        `q`, `k`, `v` (B, H, T, Dh); `mask` from `WindowMask`; `keys`, `values` (B, H, window, Dh),
        or (B, H, 0, Dh) to keep no past. Returns (B, H, T, Dh) and the new past.
        """
        length = q.shape[2]
        back = look_back(length, self.window, keys.shape[2] > 0)
        all_k, keys = slide(keys, k, back)
        all_v, values = slide(values, v, back)
        block = block_length(length, self.window)
        blocks = (length + block - 1) // block
        if blocks > 1:
            extra = blocks * block - length
            q = unroll(F.pad(q, (0, 0, 0, extra)), block, block)
            all_k = unroll(F.pad(all_k, (0, 0, 0, extra)), back + block, block)
            all_v = unroll(F.pad(all_v, (0, 0, 0, extra)), back + block, block)
        if self.xpos:
            row = torch.arange(block, device=q.device, dtype=torch.float32)
            column = torch.arange(back + block, device=q.device) - back
            middle = row.mean()  # not (block - 1) / 2: the exporter knows no fractions of sizes
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
    """How many of `length` queries attend together."""
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        exporting = torch.onnx.is_in_onnx_export()
        if exporting:
            return length
    return min(length, window)


def look_back(length: int, window: int, past: bool) -> int:
    """How many keys before its own block a block is given: none where there can be none."""
    return window if past or block_length(length, window) < length else 0


def reach(position: Tensor, length: int) -> Tensor:
    """(B,) -> (B, length): the positions that `length` new ones take."""
    return position.unsqueeze(1) + torch.arange(length, device=position.device)


def buffers(
    like: Tensor, layers: int, batch: int, heads: int, capacity: int, head_dim: int
) -> list[Tensor]:
    """Key and value buffers (B, H, capacity, Dh) of so many layers, of the type of `like`."""
    shape = (batch, heads, capacity, head_dim)
    return [like.new_zeros(shape) for _ in range(2 * layers)]


def write(buffer: Tensor, new: Tensor, index: Tensor) -> None:
    """Put `new` (B, H, T, Dh) into `buffer` (B, H, capacity, Dh), in place, at `index` (B, T)."""
    rows = torch.arange(new.shape[0], device=new.device)[:, None, None]
    heads = torch.arange(new.shape[1], device=new.device)[None, :, None]
    buffer[rows, heads, index.unsqueeze(1)] = new.to(buffer.dtype)


def slide(past: Tensor, new: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """(…, length, D) and (…, T, D) -> both joined (…, length + T, D), and the last `length`.

    An empty past stands for `length` zeros and stays empty.
    """
    if past.shape[-2] == 0:
        return F.pad(new, (0, 0, length, 0)), past
    joined = torch.cat([past.to(new.dtype), new], -2)
    return joined, joined[..., joined.shape[-2] - length :, :].to(past.dtype)


def unroll(x: Tensor, size: int, step: int) -> Tensor:
    """(B, H, L, D) -> (B · blocks, H, size, D): stretches of `size`, every `step`."""
    return x.unfold(2, size, step).permute(0, 2, 1, 4, 3).flatten(0, 1)


def grouped_query_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor,
    keys: Tensor,
    values: Tensor,
    scale: float | None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Causal attention as one ONNX Runtime node; only while exporting.

    `bias` (B, H, T, capacity) is added to the logits. ONNX Runtime takes T > 1 of several rows at
    once only where all of them stand at position 0.
    """
    batch, heads, length, head_dim = q.shape
    last = position + (length - 1)
    out, keys, values = torch.onnx.ops.symbolic_multi_out(
        "com.microsoft::GroupQueryAttention",
        (
            q.transpose(1, 2).flatten(2),
            k.transpose(1, 2).flatten(2),
            v.transpose(1, 2).flatten(2),
            keys,
            values,
            last.to(torch.int32),
            (last.max() + 1).to(torch.int32),
            *(() if bias is None else (None, None, None, bias)),
        ),
        attrs={
            "num_heads": heads,
            "kv_num_heads": heads,
            "scale": head_dim**-0.5 if scale is None else scale,
        },
        dtypes=(q.dtype, keys.dtype, values.dtype),
        shapes=((batch, length, heads * head_dim), keys.shape, values.shape),
        version=1,
    )
    return out.view(batch, length, heads, head_dim).transpose(1, 2), keys, values
