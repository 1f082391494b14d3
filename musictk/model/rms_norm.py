"""Root-mean-square normalisation for training on a CPU, with a hand-written backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPSILON = torch.finfo(torch.float32).eps


class RMSNormalise(torch.autograd.Function):
    """g · x / rms(x), of `x` (…, D) with the gain g (D,), in `dtype`.

    x is read once; all that follows, also in the backward pass, is in `dtype`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, dtype: torch.dtype) -> Tensor:
        """(…, D) in `dtype`."""
        inverse = inverse_rms(x)
        normed = (x * inverse).to(dtype)
        ctx.save_for_backward(normed, inverse, gain)
        return normed * gain.to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `x` and `gain`."""
        normed, inverse, gain = ctx.saved_tensors
        (gradient,) = gradients
        product = gradient * normed
        narrow = gain.to(normed.dtype)
        mean = (product @ narrow).unsqueeze(-1) / gain.shape[0]
        by_normed = (gradient * narrow).addcmul_(normed, mean, value=-1)
        by_gain = product.flatten(0, -2).sum(0, dtype=gain.dtype)
        return by_normed * inverse, by_gain, None


def inverse_rms(x: Tensor) -> Tensor:
    """(…, D) -> (…, 1): one divided by the root mean square."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    wide = length.to(torch.promote_types(x.dtype, torch.float32))
    return (wide.square() / x.shape[-1] + EPSILON).rsqrt().to(x.dtype)
