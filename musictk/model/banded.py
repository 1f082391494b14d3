"""Causal attention for training on a CPU, with a hand-written backward pass.

Queries are cut into blocks, and each block multiplies only the keys that it may see: about half of
the products of causal attention, and all but a band with a window. The probabilities are kept for
the backward pass, or computed again if they would take more than `KEPT_BYTES`; with dropout they
and its masks are kept whatever they take. In bf16, forward and backward take a half to a third of
the time of torch's flash attention for CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 128  # queries of one product
KEPT_BYTES = 128 << 20  # of the probabilities of one call
TABLES = 256  # masks and decays of blocks that are kept


class Band(NamedTuple):
    """The queries of one block, and the keys that they see."""

    start: int  # the first key
    query: int  # the first query
    end: int  # after the last query, and the last key


class AttentionSettings(NamedTuple):
    """What `banded_attention` is called with besides tensors."""

    scale: float
    window: int
    xpos: bool
    dropout: float


def banded_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    window: int = 0,
    xpos: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of each position to itself and the `window` positions before it; 0: to all.

    `q`, `k`, `v` (B, H, T, Dh) -> (B, H, T, Dh). `scale` of the logits is by default Dh^-1/2. With
    `xpos` they decay with distance, as `xpos_decay` states.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    settings = AttentionSettings(scale, window or q.shape[2], xpos, dropout)
    out: Tensor = _Banded.apply(q, k, v, settings)  # type: ignore[no-untyped-call]
    return out


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings) -> Tensor:
        batch, heads, length, width = q.shape
        q, k, v = (each.reshape(-1, length, width) for each in (q, k, v))
        columns = transposed(k)
        out = v.new_empty(batch, length, heads, width).transpose(1, 2)  # as `merge_heads` wants it
        kept: list[Tensor] = []
        # Dropout has to be kept, or it could not be repeated.
        small = settings.dropout > 0 or _probability_bytes(q, settings.window) <= KEPT_BYTES
        for band in bands(length, settings.window):
            probability = _probability(q, columns, band, settings)
            used = probability
            if settings.dropout:
                keep = torch.empty_like(used).bernoulli_(1 - settings.dropout)
                keep.div_(1 - settings.dropout)
                used, kept = used * keep, [*kept, keep]
            product = used @ v[:, band.start : band.end]
            out[:, :, band.query : band.end] = product.view(batch, heads, -1, width)
            if small:
                kept.append(probability)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.settings, ctx.small = settings, small
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        settings: AttentionSettings = ctx.settings
        shape = gradients[0].shape
        gradient = gradients[0].reshape(-1, *shape[2:])
        values, columns = transposed(v), None if ctx.small else transposed(k)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        saved = iter(kept)
        for band in bands(shape[2], settings.window):
            rows, keys = slice(band.query, band.end), slice(band.start, band.end)
            keep = next(saved) if settings.dropout else None
            probability = (
                next(saved) if columns is None else _probability(q, columns, band, settings)
            )
            used = probability if keep is None else probability * keep
            dv[:, keys].baddbmm_(used.transpose(1, 2), gradient[:, rows])
            slope = gradient[:, rows] @ values[:, :, keys]
            if keep is not None:
                slope *= keep
            slope = torch._softmax_backward_data(slope, probability, -1, slope.dtype)
            left, right = _factors(q, band, settings)
            scaled = k[:, keys] if right is None else k[:, keys] * right
            dq[:, rows] = (slope @ scaled).mul_(left)
            queries = q[:, rows] * left
            if right is None:
                dk[:, keys].baddbmm_(slope.transpose(1, 2), queries)
            else:
                dk[:, keys].addcmul_(slope.transpose(1, 2) @ queries, right)
        return dq.view(shape), dk.view(shape), dv.view(shape), None


def bands(length: int, window: int) -> Iterator[Band]:
    """The blocks of queries of a row of `length` positions."""
    size = min(BLOCK, max(window, 16))
    for query in range(0, length, size):
        yield Band(max(query - window, 0), query, min(query + size, length))


def _probability_bytes(q: Tensor, window: int) -> int:
    """What the probabilities of all blocks take, of queries (N, T, Dh)."""
    rows, length, _ = q.shape
    pairs = sum((band.end - band.query) * (band.end - band.start) for band in bands(length, window))
    return rows * pairs * q.element_size()


def xpos_decay(head_dim: int, window: int) -> Tensor:
    """(Dh,): the log of what a product of two dimensions loses per position between them.

    Sun et al. 2022 (arXiv 2212.10554), with half the window as their scale base. `rotate` pairs
    dimension i with i + Dh / 2; both decay alike.
    """
    rate = (torch.arange(0, head_dim, 2) + 0.4 * head_dim) / (1.4 * head_dim)
    return torch.cat([rate, rate]).log() / max(window // 2, 1)


def transposed(x: Tensor) -> Tensor:
    """(N, T, Dh) -> (N, Dh, T), contiguous: once for all blocks, or each product would copy it."""
    return x.transpose(1, 2).contiguous()


def _probability(q: Tensor, columns: Tensor, band: Band, settings: AttentionSettings) -> Tensor:
    """(N, queries, keys): the softmax of the logits of a block. `columns` (N, Dh, T): the keys."""
    left, right = _factors(q, band, settings)
    queries, keys = q[:, band.query : band.end] * left, columns[:, :, band.start : band.end]
    if right is not None:
        keys = keys * right.t()
    # A window as long as all keys hides no more than one of any greater length.
    window = min(settings.window, band.end - band.start)
    hidden = _hidden(band.end - band.query, band.query - band.start, window, q.dtype)
    return torch.baddbmm(hidden, queries, keys).softmax(-1)


def _factors(
    q: Tensor, band: Band, settings: AttentionSettings
) -> tuple[float | Tensor, Tensor | None]:
    """What the queries and the keys of a block are multiplied by; for keys None is 1."""
    if not settings.xpos:
        return settings.scale, None
    return _decays(
        band.end - band.query,
        band.query - band.start,
        settings.scale,
        settings.window,
        q.shape[-1],
        q.dtype,
    )


@lru_cache(TABLES)
def _decays(
    queries: int, context: int, scale: float, window: int, width: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """(queries, Dh), (context + queries, Dh). Centred on the middle of the block: no overflow."""
    decay, middle = xpos_decay(width, window), (queries - 1) / 2
    row = (torch.arange(queries) - middle).unsqueeze(1)
    column = (middle + context - torch.arange(context + queries)).unsqueeze(1)
    return (scale * (row * decay).exp()).to(dtype), (column * decay).exp().to(dtype)


@lru_cache(TABLES)
def _hidden(queries: int, context: int, window: int, dtype: torch.dtype) -> Tensor:
    """(queries, context + queries): -inf where a query must not see a key, 0 elsewhere."""
    distance = torch.arange(queries).unsqueeze(1) + context - torch.arange(context + queries)
    hidden = torch.zeros(distance.shape, dtype=dtype)
    return hidden.masked_fill_((distance < 0) | (distance > window), float("-inf"))
