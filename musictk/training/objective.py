"""What is minimised, as one module: so that DDP, FSDP and compile wrap all of it."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from musictk.model.network import Network, loss
from musictk.tokens import Space


class Objective(nn.Module):
    """A batch -> (B, T) nats, 0 where a position does not count. Smooths in training mode only."""

    def __init__(self, network: Network, space: Space, smoothing: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.space = space
        self.smoothing = smoothing

    def forward(self, inputs: Tensor, targets: Tensor, mask: Tensor, conditions: Tensor) -> Tensor:
        """(B, T) ids or (B, T, W) frames, mask (B, T), conditions (B, K) -> (B, T) nats."""
        state = self.network.begin(inputs.shape[0], 0)  # capacity 0: no past
        logits, _ = self.network(inputs, self.network.condition(conditions), state)
        smoothing = self.smoothing if self.training else 0.0
        return loss(logits, targets, self.space, smoothing, mask)


def blocks(network: nn.Module) -> list[nn.Module]:
    """The repeated layers of the body: what is recomputed, or sharded, one at a time."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    largest = max(lists, key=lambda each: sum(p.numel() for p in each.parameters()), default=None)
    return list(largest) if largest is not None else []


def recompute_blocks(network: nn.Module) -> None:
    """Keep only each block's input for the backward pass (Chen et al. 2016)."""
    for block in blocks(network):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
