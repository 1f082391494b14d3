"""The first law of architectures names what is wrong with one that is being written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from musictk.errors import MusictkError
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.contract import Architecture
from musictk.model.network import Network, NetworkConfig
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.testing.architectures import SPACES, causality, chunking, fixed_state, shapes, tiny


@dataclass(frozen=True)
class SumConfig:
    """`fault` is what is wrong."""

    dim: int = 8
    depth: int = 1
    heads: int = 1
    dropout: float = 0.0
    max_length: int = 100
    fault: str = ""


class Sum(Architecture):
    """y_t = W (x_1 + … + x_t)."""

    Config = SumConfig
    name = "sum"

    def __init__(self, config: SumConfig) -> None:
        super().__init__(config)
        self.dim = config.dim
        if config.fault != "no length":
            self.max_length = config.max_length
        if config.fault == "no config":
            del self.config
        self.first = nn.Parameter(torch.zeros(config.dim))
        self.linear = nn.Linear(config.dim, config.dim, bias=False)

    def begin(self, batch: int, capacity: int) -> Any:
        state = self.first.expand(batch, -1)
        if self.config.fault != "shares":
            state = state.clone()
        wrong = {"tuple": (state,), "none": [None], "batchless": [state[0]]}
        return wrong.get(self.config.fault, [state])

    def forward(self, x: Tensor, state: list[Tensor]) -> Any:
        fault = self.config.fault
        if fault == "looks ahead" and self.training:
            x = x + x.mean(1, keepdim=True)
        total = x.cumsum(1) + (0 if fault == "forgets" else state[0].unsqueeze(1))
        output = self.linear(total)
        if fault == "one":
            return output
        if fault == "last":
            return output[:, -1], [total[:, -1]]
        if fault == "shares":
            with torch.no_grad():
                state[0].add_(total[:, -1])
        if fault == "nan":
            output = output / torch.zeros(())
        return output, [total[:, -1]] * (2 if fault == "more" else 1)


@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
def test_an_architecture_without_a_fault_passes(space: Any) -> None:
    network = tiny(Sum, space)
    shapes(network, space)
    chunking(network, space)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no config", r"Sum\.__init__ does not set self\.config"),
        ("no length", r"Sum\.__init__ does not set self\.max_length"),
        ("tuple", r"the state of begin\(\) is a value of type tuple and not a list"),
        ("none", r"the state of begin\(\) has a value of type NoneType, not only tensors"),
        ("batchless", r"begin\(\) has a tensor of shape \(32,\): .* not the 2 rows of the batch"),
        ("one", r"forward\(\) returns a value of type Tensor and not a pair"),
        ("last", r"the output is \(2, 32\) and not \(B, T, D\) = \(2, 5, 32\)"),
        ("more", r"begin\(\) returns 1 tensors of state, and forward\(\) 2"),
        ("nan", "logits are not finite"),
    ],
)
def test_shapes_name_the_fault(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        shapes(tiny(Sum, SPACES[0], fault=fault), SPACES[0])


def test_an_initial_state_may_be_learned() -> None:
    fixed_state(tiny(Sum, SPACES[0]), SPACES[0])


def test_a_state_that_forward_writes_into_must_be_a_copy() -> None:
    network = tiny(Sum, SPACES[0], fault="shares")
    with pytest.raises((AssertionError, RuntimeError)):
        fixed_state(network, SPACES[0])


def test_training_does_not_see_the_future_either() -> None:
    causality(tiny(Sum, SPACES[0]), SPACES[0])
    with pytest.raises(AssertionError, match="in training mode logits depend on the future"):
        causality(tiny(Sum, SPACES[0], fault="looks ahead"), SPACES[0])


@pytest.mark.parametrize(
    ("fault", "message"),
    [("one", "forward returned no pair"), ("last", r"forward returned \(1, 8\) first")],
)
def test_a_network_to_be_trained_is_tried_first(fault: str, message: str) -> None:
    """Before hours of encoding, by an error that names the architecture."""
    tokenizer: Any = make_component(registry().load("tokenizer", "remi"), {})
    network = Network(Sum(SumConfig(fault=fault)), tokenizer.space, {}, NetworkConfig())
    with pytest.raises(MusictkError, match=f"architecture 'sum': {message}"):
        bundle.describe(network, tokenizer, Conditions(), NetworkConfig())


def test_chunks_are_named_in_few_words() -> None:
    with pytest.raises(AssertionError, match=r"^70 chunks of 1: logits differ by"):
        chunking(tiny(Sum, SPACES[0], fault="forgets"), SPACES[0])
