"""Causal attention as one node of ONNX Runtime. Used only while a model is exported."""

from __future__ import annotations

import torch
from torch import Tensor


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
    """A `com.microsoft.GroupQueryAttention` node with the signature of `CausalAttention`.

    The node may be bound to one preallocated buffer for past and present: it then writes the keys
    in place. `bias` (B, H, T, capacity) is added to the logits. ONNX Runtime accepts several rows
    with T > 1 only if all of them are at position 0.
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


def sliding_attention(
    inputs: tuple[Tensor, ...], heads: int, window: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """A `GroupQueryAttention` node over a cache of at least `window` positions.

    `inputs`: queries, keys and values (B, T, H Dh), cached keys and values (B, H, C, Dh), the last
    position (B,) and the number of positions of the longest row, both int32. Each position attends
    to `window` positions, itself included. The node writes the cache in place if it is bound to one
    buffer for past and present, and drops what no window reaches any more. ONNX Runtime accepts
    several rows with T > 1 only if all of them are at position 0.
    """
    queries, keys, values = inputs[0], inputs[3], inputs[4]
    out, keys, values = torch.onnx.ops.symbolic_multi_out(
        "com.microsoft::GroupQueryAttention",
        inputs,
        attrs={
            "num_heads": heads,
            "kv_num_heads": heads,
            "scale": scale,
            "local_window_size": window,
            "sliding_window_cache": 1,
        },
        dtypes=(queries.dtype, keys.dtype, values.dtype),
        shapes=(queries.shape, keys.shape, values.shape),
        version=1,
    )
    return out, keys, values
