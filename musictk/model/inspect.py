"""Attention maps of a network, recorded during its usual forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from musictk.model.decoder import CausalAttention
from musictk.model.network import Network
from musictk.model.relative import RelativeAttention
from musictk.model.windowed import WindowedAttention

KERNELS = (CausalAttention, WindowedAttention, RelativeAttention)


@torch.no_grad()
def attention_maps(network: Network, sequence: Tensor, condition: Tensor) -> list[Tensor]:
    """The attention weights of each kernel, in the order they ran: (H, T, T), one row per query.

    `sequence` (1, T) ids or (1, T, W) frames, `condition` (1, D). A backbone with several windows
    per layer gives a map for each; one that uses no kernel of `musictk.model` gives none.
    """
    maps: list[Tensor] = []
    running = False

    def record(kernel: nn.Module, args: tuple[Any, ...], _: Any) -> None:
        nonlocal running
        if running:
            return
        running = True  # the call below runs this hook too
        q, k, v, *rest = args
        # With the identity as values, the output of attention is its weights.
        ones = torch.eye(v.shape[2], dtype=v.dtype, device=v.device).expand(*v.shape[:2], -1, -1)
        maps.append(kernel(q, k, ones, *rest)[0][0].float().cpu())
        running = False

    kernels = [module for module in network.modules() if isinstance(module, KERNELS)]
    hooks = [kernel.register_forward_hook(record) for kernel in kernels]
    training = network.training
    try:
        network.eval()(sequence, condition, network.begin(len(sequence), 0))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return maps
