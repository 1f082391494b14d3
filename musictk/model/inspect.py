"""Look inside a network without another forward path."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from musictk.model.attention import CausalAttention, WindowedAttention
from musictk.model.network import Network
from musictk.model.relative import RelativeAttention

KERNELS = (CausalAttention, WindowedAttention, RelativeAttention)


@torch.no_grad()
def attention_maps(network: Network, sequence: Tensor, condition: Tensor) -> list[Tensor]:
    """What each kernel attends to, in the order they ran: (H, T, T), row i the weights of query i.

    `sequence` (1, T) ids or (1, T, W) frames, `condition` (1, D). A body of several windows gives
    one map for each; one that attends by other means than `musictk.model`'s kernels gives none.
    """
    maps: list[Tensor] = []
    running = False

    def record(kernel: nn.Module, args: tuple[Any, ...], _: Any) -> None:
        nonlocal running
        if running:
            return
        running = True  # the call below runs this hook as well
        q, k, v, *rest = args
        # Attention to the identity: the sum of one-hot values is the weights themselves.
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
