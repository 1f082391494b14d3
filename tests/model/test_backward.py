"""The hand-written backward passes of training on a CPU against the plain forward pass.

Without gradients a network takes the plain path, so the derivative of its loss along a direction,
measured from two losses, checks forward and backward pass of the other at once.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from musictk.model.network import Network, NetworkConfig
from musictk.plugin import registry
from musictk.tokens import Tokens

SPACE = Tokens(37)
STEP = 1e-7
SMALL = {"dim": 32, "depth": 2, "heads": 2, "max_length": 512, "dropout": 0.0}
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("gpt", {}),
    ("gpt", {"rotary": True}),
    ("gpt", {"qk_norm": True}),
    ("gpt", dict.fromkeys(("rotary", "rmsnorm", "swiglu", "qk_norm"), True)),
    ("relative", {}),
    ("relative", {"relative": False}),
    ("roll", {}),
    ("conformer", {"windows": (8, 200)}),
    ("conformer", {"windows": (8,), "qk_norm": False, "kernel": 5}),
    ("conformer", {"windows": (8,), "dynamic_bias": True, "streams": 1}),
]


@pytest.mark.parametrize(("arch", "options"), NETWORKS, ids=str)
def test_the_gradient_is_the_slope_of_the_plain_loss(arch: str, options: dict[str, Any]) -> None:
    kind = registry().load("architecture", arch)
    torch.manual_seed(1)
    network = Network(kind(kind.Config(**SMALL | options)), SPACE, {}, NetworkConfig()).double()
    with torch.no_grad():  # away from the initial zeros and ones
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    sequence = torch.randint(3, SPACE.size, (2, 151))

    def loss() -> Tensor:
        state = network.begin(2, 0)
        none = torch.zeros(2, 0, dtype=torch.int64)
        logits, _ = network(sequence[:, :-1], network.condition(none), state)
        return F.cross_entropy(logits.flatten(0, 1), sequence[:, 1:].flatten())

    cost = loss()
    cost.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert torch.allclose(cost, loss(), rtol=1e-6)
        for name, weight in network.named_parameters():
            if weight.grad is None:
                continue
            direction = torch.randn_like(weight)
            weight.add_(direction, alpha=STEP)
            above = loss()
            weight.add_(direction, alpha=-2 * STEP)
            below = loss()
            weight.add_(direction, alpha=STEP)
            slope = (above - below) / (2 * STEP)
            stated = (weight.grad * direction).sum()
            assert torch.allclose(slope, stated, rtol=1e-3, atol=1e-7), name
