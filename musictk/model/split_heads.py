"""Splitting a projection into heads for training on a CPU, with a hand-written backward pass.

It computes what `musictk.model.layers.Heads` states, for queries and keys together and in as few
passes over them as possible: n = x / rms(x), then R (g n), with the gain g and the rotation R. The
gain is multiplied into the tables of the rotation, which are smaller than queries and keys.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from musictk.model.rms_norm import inverse_rms


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
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `x` and `gains`."""
        normed, inverse, rotary, gains = ctx.saved_tensors
        _, batch, heads, length, width = normed.shape
        by_found, by_gains = torch.stack(gradients[:2]), None  # (2, B, H, T, Dh)
        if rotary is not None:
            by_sine = (by_found * rotary[1]) @ quarter_turn(width, by_found.dtype).t()
            by_found = by_sine.addcmul_(by_found, rotary[0])
        by_x = normed.new_empty(batch, length, 3 * heads * width)
        parts = by_x.view(batch, length, 3, heads, width).permute(2, 0, 3, 1, 4)
        if gains is None or inverse is None:
            parts[:2] = by_found
        else:
            product = by_found * normed
            by_gains = product.sum((1, 2, 3))
            mean = product @ gains.transpose(-1, -2) / width  # (2, B, H, T, 1)
            by_found = (by_found * gains).addcmul_(normed, mean, value=-1)
            torch.mul(by_found, inverse, out=parts[:2])
        parts[2] = gradients[2]
        return by_x, None, None, by_gains


def turn(x: Tensor, rotary: Tensor | None, gains: Tensor | None) -> Tensor:
    """R (g x), with `gains` (2, 1, 1, 1, Dh)."""
    if rotary is None:
        return x if gains is None else x * gains
    turning, cosines = quarter_turn(x.shape[-1], x.dtype), rotary[0]
    if gains is not None:  # multiplied into what is smaller than x
        turning, cosines = gains.transpose(-1, -2) * turning, cosines * gains
    return (x @ turning).mul_(rotary[1]).addcmul_(x, cosines)


@cache
def quarter_turn(width: int, dtype: torch.dtype) -> Tensor:
    """(Dh, Dh): x times it is (-two, one) for x = (one, two); exact, and fast.

    Moving the halves of short rows takes four times as long.
    """
    half = torch.eye(width // 2, dtype=dtype)
    none = torch.zeros_like(half)
    return torch.cat([torch.cat([none, half], 1), torch.cat([-half, none], 1)])
