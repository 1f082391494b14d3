"""The average of the weights over the last part of training, which is scored and kept.

Polynomial-decay averaging (Shamir & Zhang 2013, arXiv 1212.1824): the average covers the same part
of the steps whenever it is read, so it needs no schedule and no plan of the run's end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from musictk.model.network import Network
from musictk.training.checkpoint import gathered, live_tensors
from musictk.training.optimizer import restored

EVERY = 4  # steps between two additions to the average: a quarter of the time, the same loss
SUFFIX = "/average"  # of names in a checkpoint


class Average:
    """The average of the trainable `parameters`, of which each process has its shard.

    With a `share` of f, the n-th addition (from 0) has the weight 1 / (1 + f n): the additions have
    a mean age of f / (1 + f) of all steps.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], share: float) -> None:
        trained = {name: each for name, each in parameters.items() if each.requires_grad}
        self._parameters = trained if share else {}
        self._share = share
        self._live = [_local(each) for each in self._parameters.values()]
        self._mean = [each.clone() for each in self._live]

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Add the weights after step `step` (from 0)."""
        if step % EVERY == 0:
            weight = 1 / (1 + self._share * (step // EVERY))
            for mean, live in zip(self._mean, self._live, strict=True):
                mean.lerp_(live, weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters are the average inside, and those in training again afterwards."""
        kept = [each.clone() for each in self._live]
        self.apply()
        try:
            yield
        finally:
            _copy(kept, self._live)

    def apply(self) -> None:
        """Give the parameters the values of the average."""
        _copy(self._mean, self._live)

    def pack(self, network: Network) -> dict[str, Tensor]:
        """The average by parameter name, and the weights of `network` in training.

        Nothing without an average. Every process must call this.
        """
        if not self._parameters:
            return {}
        live = live_tensors(network)
        with self.applied():
            return live | {
                name + SUFFIX: gathered(each).clone() for name, each in self._parameters.items()
            }

    def load(self, stored: dict[str, Tensor]) -> None:
        """Take the average out of `stored`. Raises KeyError if a parameter is missing."""
        for (name, parameter), mean in zip(self._parameters.items(), self._mean, strict=True):
            mean.copy_(_local(restored(parameter, stored.pop(name + SUFFIX))))


def _local(tensor: Tensor) -> Tensor:
    """This process's part of it, in the same memory."""
    tensor = tensor.detach()
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def _copy(values: list[Tensor], targets: list[Tensor]) -> None:
    for value, target in zip(values, targets, strict=True):
        target.copy_(value)
