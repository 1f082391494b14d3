"""The objective: network and loss as one module, so that DDP, FSDP and compile wrap both."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from musictk.model.network import Network, loss
from musictk.tokens import Space


class Objective(nn.Module):
    """A network and the loss on its output.

    A subclass defines `forward`: from the tensors of a batch to costs of any shape, 0 where
    nothing counts; their sum is minimised. Its own parameters are trained with the network's;
    frozen ones (`requires_grad` False, such as a reference model's) are not kept in checkpoints.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def own_state(self) -> dict[str, Tensor]:
        """The tensors besides the network's that are needed to resume, by name."""
        frozen = {name for name, each in self.named_parameters() if not each.requires_grad}
        return {
            name: tensor
            for name, tensor in self.state_dict().items()
            if not name.startswith("network.") and name not in frozen
        }


class NextPosition(Objective):
    """The nats of each next token or frame. Smooths labels in training mode only."""

    def __init__(self, network: Network, space: Space, smoothing: float = 0.0) -> None:
        super().__init__(network)
        self.space = space
        self.smoothing = smoothing

    def forward(
        self,
        inputs: Tensor,
        targets: Tensor,
        mask: Tensor,
        conditions: Tensor,
        controls: Tensor | None = None,
        bars: Tensor | None = None,
    ) -> Tensor:
        """(B, T) ids or (B, T, W) frames, mask (B, T) -> (B, T) nats; the rest as in `Batch`.

        A position whose mask is False costs 0.
        """
        condition = self.network.condition(conditions, controls, bars)
        state = self.network.begin(inputs.shape[0], 0)  # capacity 0: no past
        logits, _ = self.network(inputs, condition, state)
        smoothing = self.smoothing if self.training else 0.0
        return loss(logits, targets, self.space, smoothing, mask)


def named_parameters(objective: Objective) -> dict[str, nn.Parameter]:
    """Every parameter by a unique name: the network's as in its bundle."""
    return {
        name.removeprefix("network.") if name.startswith("network.") else f"objective.{name}": each
        for name, each in objective.named_parameters()
    }


def blocks(network: nn.Module) -> list[nn.Module]:
    """The repeated layers of the body, which are recomputed or sharded one at a time."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    largest = max(lists, key=lambda each: sum(p.numel() for p in each.parameters()), default=None)
    return list(largest) if largest is not None else []


def recompute_blocks(network: nn.Module) -> None:
    """Keep only each block's input for the backward pass (Chen et al. 2016)."""
    for block in blocks(network):
        if "forward" in vars(block):  # of an earlier run of the same network
            continue
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
