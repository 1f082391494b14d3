"""Splitting a projection into heads for training on a CPU, with a hand-written backward pass.

It computes what `musictk.model.layers.Heads` states, for queries and keys together and in as few
passes over them as possible: n = x / rms(x), then R (g n), with the gain g and the rotation R.The
gain is multiplied into the tables of the rotation, which are smaller than queries and keys.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

EPSILON = torch.finfo(torch.float32).eps  # as RMSNorm


class SplitHeads(torch.autograd.Function):
    """(B, T, 3 D) -> queries, keys and values (B, H, T, Dh)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, heads: int, rotary: Tensor | None, gains: Tensor | None
    ) -> tuple[Tensor, ...]:
        """`rotary` (2, B, 1, T, Dh): the output of `Rotary`; `gains` (2, Dh): of the norms."""
        batch, length, width = x.shape
        parts = x.view(batch, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
        parts = parts.contiguous()  # (3, B, H, T, Dh)
        found, inverse = parts[:2], None
        if gains is not None:
            gains = gains.to(x.dtype)[:, None, None, None]
            inverse = inverse_rms(found)
            found = found * inverse
        if rotary is not None:
            rotary = rotary.to(x.dtype)
        ctx.save_for_backward(found, inverse, rotary, gains)
        found = turn(found, rotary, gains)
        return found[0], found[1], parts[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `x` and `gains`."""
        normed, inverse, rotary, gains = ctx.saved_tensors
        _, batch, heads, length, width = normed.shape
        parts = torch.stack(gradients)  # (3, B, H, T, Dh)
        by_found, by_gains = parts[:2], None
        if rotary is not None:
            by_sine = (by_found * rotary[1]) @ quarter_turn(width, by_found.dtype).t()
            by_found = by_sine.addcmul_(by_found, rotary[0])
        if gains is not None:
            product = by_found * normed
            by_gains = product.sum((1, 2, 3))
            mean = product @ gains.transpose(-1, -2) / width  # (2, B, H, T, 1)
            by_found = (by_found * gains).addcmul_(normed, mean, value=-1).mul_(inverse)
        parts[:2] = by_found
        by_x = parts.permute(1, 3, 0, 2, 4).reshape(batch, length, 3 * heads * width)
        return by_x, None, None, by_gains


def inverse_rms(x: Tensor) -> Tensor:
    """(…, D) -> (…, 1): one divided by the root mean square."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    exact = length.to(torch.promote_types(x.dtype, torch.float32))
    return (exact.square() / x.shape[-1] + EPSILON).rsqrt().to(x.dtype)


def turn(x: Tensor, rotary: Tensor | None, gains: Tensor | None) -> Tensor:
    """R (g x), with `gains` (2, 1, 1, 1, Dh)."""
    if gains is not None:
        x = x * gains
    if rotary is None:
        return x
    return (x @ quarter_turn(x.shape[-1], x.dtype)).mul_(rotary[1]).addcmul_(x, rotary[0])


@cache
def quarter_turn(width: int, dtype: torch.dtype) -> Tensor:
    """(Dh, Dh): x times it is (-two, one) for x = (one, two); exact, and faster than moving halves."""
    half = torch.eye(width // 2, dtype=dtype)
    none = torch.zeros_like(half)
    return torch.cat([torch.cat([none, half], 1), torch.cat([-half, none], 1)])
