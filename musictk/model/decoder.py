"""A causal transformer decoder: its state, the loop over its blocks, and attention with a cache.

The state is the position of each row (B,), then the keys and values (B, H, capacity, Dh) of each
block: a preallocated cache that `CausalAttention` writes in place; last, where the decoder has a
`History`, its inputs. With capacity 0, as in training, no past is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.banded import banded_attention
from musictk.model.contract import Architecture
from musictk.model.convolution import History
from musictk.model.grouped_query import grouped_query_attention
from musictk.model.layers import PeriodicPositions, Rotary, Stack, has_backward, positions


class Decoder(Architecture):
    """`config.depth` blocks over inputs with position encodings.

    A subclass chooses the block and the encodings: `absolute` is added to the input, `rotary`
    rotates queries and keys in every block. With `config.history` above 1 the input is mixed with
    its past before positions are added; `config.periods` add periodic positions. A block has its
    projection in `qkv` and is called as
    block(x (B, T, D), position (B,), keys, values, rotary, first) -> (x, keys, values, first),
    where `first` are the values (B, H, T, Dh) of the first block, if it passes them on.
    """

    def __init__(
        self,
        config: Any,
        block: Callable[[Any], nn.Module],
        absolute: nn.Module | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__(config)
        self.dim, self.max_length = config.dim, config.max_length
        self.heads, self.head_dim = config.heads, config.dim // config.heads
        self.positions = absolute
        self.rotary = rotary
        periods, history = getattr(config, "periods", ()), getattr(config, "history", 1)
        self.periodic = PeriodicPositions(periods, config.dim) if periods else None
        self.history = History(config.dim, history) if history > 1 else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks: Stack[Any] = Stack(block(config) for _ in range(config.depth))

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        like = self.blocks[0].qkv.weight
        state = [torch.zeros(batch, dtype=torch.int64, device=like.device)]
        state += buffers(like, len(self.blocks), batch, self.heads, capacity, self.head_dim)
        if self.history is not None:
            state += self.history.begin(batch, capacity)
        return state

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        position, length = state[0], x.shape[1]
        last: list[Tensor] = []
        if self.history is not None:
            x, inputs = self.history(x, state[-1])
            last.append(inputs)
        if self.positions is not None:
            x = x + self.positions(position, length)
        if self.periodic is not None:
            x = x + self.periodic(position, length)
        rotary: Tensor | None = None
        if self.rotary is not None:
            rotary = self.rotary(position, length)
        x = self.dropout(x)
        after = [position + length]
        first: Tensor | None = None
        for i, block in enumerate(self.blocks):
            keys, values = state[2 * i + 1], state[2 * i + 2]
            x, keys, values, first = block(x, position, keys, values, rotary, first)
            after += [keys, values]
        return x, after + last


class CausalAttention(nn.Module):
    """Scaled dot-product attention of each position to itself and all positions before it."""

    def __init__(self, dropout: float = 0.0, scale: float | None = None) -> None:
        super().__init__()
        self.dropout = dropout
        self.scale = scale  # of the logits; None is Dh^-1/2

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, position: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from T new positions to the cached ones and to themselves.

        `q`, `k`, `v` (B, H, T, Dh); `position` (B,) of the first new one in each row; `keys`,
        `values` (B, H, capacity, Dh). Returns (B, H, T, Dh), and the new keys and values.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            exporting = torch.onnx.is_in_onnx_export()
            if exporting:
                return grouped_query_attention(q, k, v, position, keys, values, self.scale)
        dropout = self.dropout if self.training else 0.0
        if keys.shape[2] == 0:
            if not torch.jit.is_scripting() and has_backward(q):  # type: ignore[attr-defined]
                return banded_attention(q, k, v, self.scale, dropout=dropout), keys, values
            out = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True, scale=self.scale
            )
            return out, keys, values
        index = positions(position, q.shape[2])
        write(keys, k, index)
        write(values, v, index)
        end = keys.shape[2]
        if not keys.is_cuda:  # on CUDA, reading the position would stall and break CUDA graphs
            end = int(index.max()) + 1
        mask = torch.arange(end, device=keys.device) <= index[:, None, :, None]  # (B, 1, T, end)
        past_k, past_v = keys[:, :, :end].to(q.dtype), values[:, :, :end].to(q.dtype)
        out = F.scaled_dot_product_attention(
            q, past_k, past_v, attn_mask=mask, dropout_p=dropout, scale=self.scale
        )
        return out, keys, values


def buffers(
    like: Tensor, layers: int, batch: int, heads: int, capacity: int, head_dim: int
) -> list[Tensor]:
    """Zeros for the keys and values (B, H, capacity, Dh) of each layer; dtype as `like`."""
    shape = (batch, heads, capacity, head_dim)
    return [like.new_zeros(shape) for _ in range(2 * layers)]


def write(buffer: Tensor, new: Tensor, index: Tensor) -> None:
    """Write `new` (B, H, T, Dh) into `buffer` (B, H, capacity, Dh), in place, at `index` (B, T)."""
    rows = torch.arange(new.shape[0], device=new.device)[:, None, None]
    heads = torch.arange(new.shape[1], device=new.device)[None, :, None]
    buffer[rows, heads, index.unsqueeze(1)] = new.to(buffer.dtype)
