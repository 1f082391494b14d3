"""The size and the cost of a network: parameters, weights, floating-point operations."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from musictk.model.network import Network
from musictk.tokens import Frames, Space


def parameters(network: Network) -> int:
    """The number of learned parameters; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in network.parameters())


def matmul_weights(architecture: type, config: Any) -> int:
    """The number of weights in matrix products per position. Allocates none of them."""
    with torch.device("meta"):
        body: nn.Module = architecture(config)
    kinds = (nn.Linear, nn.Conv1d)
    return sum(module.weight.numel() for module in body.modules() if isinstance(module, kinds))


def flops_per_position(network: Network, space: Space, length: int) -> float:
    """Floating-point operations per position of a forward pass over `length` positions.

    A multiply-add counts as two; a training step costs about three times as much. Counted on the
    meta device, so masked keys and padded blocks are included, and causal attention counts as the
    full square, though a fused kernel may skip half of it.
    """
    meta = copy.deepcopy(network).to("meta")
    shape = (1, length, space.width) if isinstance(space, Frames) else (1, length)
    kind = torch.uint8 if isinstance(space, Frames) else torch.int64
    sequence = torch.zeros(shape, dtype=kind, device="meta")
    condition = torch.zeros(1, length, network.body.dim, device="meta")  # it may change at each
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(sequence, condition, meta.begin(1, 0))
    return counter.get_total_flops() / length
