"""What a network costs: the limit that a measured speed is set against."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from musictk.model.network import Network
from musictk.tokens import Frames, Space


def parameters(network: Network) -> int:
    """How many numbers are learned; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiplied(architecture: type, config: Any) -> int:
    """How many weights of a body each position is multiplied by; reckoned without making them."""
    with torch.device("meta"):
        body: nn.Module = architecture(config)
    kinds = (nn.Linear, nn.Conv1d)
    return sum(each.weight.numel() for each in body.modules() if isinstance(each, kinds))


def flops_per_position(network: Network, space: Space, length: int) -> float:
    """Floating-point operations of a forward pass over `length` positions, for each of them.

    A multiply-add counts as two; training costs about three times as much. Counted by a run that
    computes nothing, so it is what the kernels do: masked keys and the padding of blocks included,
    causal attention as the full square, though a fused kernel may skip half of it.
    """
    ghost = copy.deepcopy(network).to("meta")
    shape = (1, length, space.width) if isinstance(space, Frames) else (1, length)
    kind = torch.uint8 if isinstance(space, Frames) else torch.int64
    sequence = torch.zeros(shape, dtype=kind, device="meta")
    condition = torch.zeros(1, network.body.dim, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(sequence, condition, ghost.begin(1, 0))
    return counter.get_total_flops() / length
