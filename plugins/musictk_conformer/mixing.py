"""The two steps of a hyper-connection for training on a CPU, with hand-written backward passes.

They compute what `HyperConnection` states, but read the streams as few times as possible, and keep
the normalised streams nowhere: with r = 1 / rms(h), norm(h) W = r · (h (g ∘ W)). N = B · T rows of
n streams of width D; streams have the dtype of autocast, mixing coefficients are float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from musictk.model.rms_norm import EPSILON


class Branch(torch.autograd.Function):
    """(N, n, D) streams -> the sublayer's input (N, D), the mixed streams (N, n, D), β (N, n)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        alpha: Tensor,
        beta: Tensor,
        alpha_scale: Tensor,
        beta_scale: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`weight` (D, n + 2): the norm's gain times the weights of α and β."""
        rows, streams, dim = x.shape
        flat = x.view(-1, dim)
        length = torch.linalg.vector_norm(flat, dim=-1, keepdim=True).to(weight.dtype)
        inverse = (length.square() / dim + EPSILON).rsqrt()  # 1 / rms
        weight = weight.to(x.dtype)
        product = (flat @ weight).to(length.dtype)
        mixing = (product * inverse).tanh_().view(rows, streams, -1)
        mix = (alpha + alpha_scale * mixing[..., :-1]).to(x.dtype)
        gain = beta + beta_scale * mixing[..., -1]
        mixed = mix.transpose(1, 2) @ x
        ctx.save_for_backward(x, weight, mix, inverse, product, mixing, alpha_scale, beta_scale)
        return mixed[:, 0], mixed[:, 1:], gain

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """The gradients of all inputs."""
        x, weight, mix, inverse, product, mixing, alpha_scale, beta_scale = ctx.saved_tensors
        by_input, by_streams, by_gain = gradients
        by_mixed = torch.cat([by_input.unsqueeze(1), by_streams], 1)  # (N, 1 + n, D)
        by_mix = (x @ by_mixed.transpose(1, 2)).to(mixing.dtype)  # (N, n, 1 + n)
        by_mixing = torch.cat([by_mix * alpha_scale, (by_gain * beta_scale).unsqueeze(-1)], -1)
        by_argument = (by_mixing * (1 - mixing.square())).view(product.shape)
        by_product = (by_argument * inverse).to(x.dtype)
        by_inverse = (by_argument * product).sum(-1, keepdim=True)
        flat = x.view(-1, x.shape[-1])
        by_x = (mix @ by_mixed).view(flat.shape)
        by_x.addmm_(by_product, weight.t())
        by_x.addcmul_(flat, (by_inverse * inverse**3 / -x.shape[-1]).to(x.dtype))
        return (
            by_x.view(x.shape),
            (flat.t() @ by_product).to(mixing.dtype),
            by_mix.sum(0),
            by_gain.sum(0),
            (by_mix * mixing[..., :-1]).sum().view(alpha_scale.shape),  # FSDP widens scalars
            (by_gain * mixing[..., -1]).sum().view(beta_scale.shape),
        )


class Merge(torch.autograd.Function):
    """Streams (N, n, D), gains (N, n), output (N, D) -> streams plus gain times output."""

    @staticmethod
    def forward(ctx: Any, streams: Tensor, gain: Tensor, out: Tensor) -> Tensor:
        """The new streams (N, n, D)."""
        weights = gain.to(streams.dtype).unsqueeze(-1)
        column = out.to(streams.dtype).unsqueeze(1)
        ctx.save_for_backward(weights, column)
        ctx.types = gain.dtype, out.dtype
        return torch.addcmul(streams, weights, column)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """The gradients of all inputs."""
        weights, column = ctx.saved_tensors
        (gradient,) = gradients
        of_gain, of_out = ctx.types
        by_gain = (gradient * column).sum(-1)
        by_out = (weights.transpose(1, 2) @ gradient).squeeze(1)
        return gradient, by_gain.to(of_gain), by_out.to(of_out)
