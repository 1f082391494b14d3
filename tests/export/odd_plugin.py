"""Architectures that no one would train: one begins with a learned state, others do not export."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musictk.model.contract import Architecture
from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register("echo", "odd_plugin:Echo", "a leaky sum that begins at what it learned")
    register("stubborn", "odd_plugin:Stubborn", "looks at its values while it runs")
    register("sorter", "odd_plugin:Sorter", "uses an operation that ONNX does not have")
    register("looper", "odd_plugin:Looper", "loops over positions in Python")
    register("repeated", "odd_plugin:Repeated", "has one layer twice")
    register("counter", "odd_plugin:Counter", "uses what TorchScript does not have")


@dataclass(frozen=True)
class OddConfig:
    """As small as it gets."""

    dim: int = 8
    depth: int = 1
    heads: int = 1
    dropout: float = 0.0
    max_length: int = 300


class Echo(Architecture):
    """y_t = x_t + s_t, s_t = (s_{t-1} + x_t) / 2."""

    Config = OddConfig
    name = "echo"

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.dim, self.max_length = config.dim, config.max_length
        self.initial = nn.Parameter(torch.ones(config.dim))

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        return [self.initial.detach().expand(batch, -1).clone()]

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        # s_t is a weighted sum of all x so far and the beginning: one product with powers of ½.
        length = x.shape[1]
        step = torch.arange(length, device=x.device)
        gap = (step.unsqueeze(1) - step).to(x.dtype)
        weights = torch.where(gap >= 0, torch.exp2(-gap - 1), torch.zeros_like(gap))
        decay = torch.exp2(-(step + 1).to(x.dtype)).unsqueeze(1)
        total = weights @ x + decay * state[0].unsqueeze(1)
        return x + total, [total[:, -1]]


class Stubborn(Echo):
    """Decides by a value, which no graph of one step can hold."""

    name = "stubborn"

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if bool(x.sum() > 0):
            x = -x
        return x, state


class SingularValues(nn.Module):
    """An operation that ONNX does not have."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.linalg.svdvals(x @ x.transpose(1, 2)).unsqueeze(-1)


class Sorter(Echo):
    """The operation is in the second of two blocks."""

    name = "sorter"

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList([nn.Identity(), SingularValues()])

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        for block in self.blocks:
            x = block(x)
        return x, state


class Looper(Echo):
    """Its graph has as many copies of the body as there are positions."""

    name = "looper"

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return torch.stack([x[:, index] for index in range(x.shape[1])], 1), state


class Repeated(Echo):
    """Two layers with the same weights."""

    name = "repeated"

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList([nn.Linear(config.dim, config.dim)] * 2)

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        for block in self.blocks:
            x = x + torch.tanh(block(x))
        return x, [state[0] + x.sum(1) * 0]


class Counter(Echo):
    """TorchScript has no sets."""

    name = "counter"

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return x * len({1, 2}), state
