"""Every backbone is one graph for torch.compile."""

from __future__ import annotations

import pytest
import torch

from musictk.plugin import registry
from musictk.testing.architectures import tiny
from musictk.tokens import Tokens


@pytest.mark.parametrize("name", ["gpt", "conformer", "relative", "roll"])
def test_one_graph(name: str) -> None:
    network = tiny(registry().load("architecture", name), Tokens(61))
    sequence, condition = torch.randint(0, 61, (2, 30)), torch.zeros(2, 1, 32)
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    with torch.no_grad():
        expected, _ = network(sequence, condition, network.begin(2, 0))
        logits, _ = compiled(sequence, condition, network.begin(2, 0))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
