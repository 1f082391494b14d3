"""Attention maps, costs and sizes."""

from __future__ import annotations

import pytest
import torch

from musictk.errors import UnknownNameError
from musictk.model.cost import flops_per_position, parameters
from musictk.model.inspect import attention_maps
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.testing.architectures import tiny
from musictk.tokens import Frames, Tokens

ARCHITECTURES = {
    name: registry().load("architecture", name) for name in ("gpt", "conformer", "relative")
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maps_are_causal_distributions(name: str) -> None:
    network = tiny(ARCHITECTURES[name], Frames(16)).train()
    sequence = torch.randint(0, 2, (1, 40, 16), dtype=torch.uint8)
    maps = attention_maps(network, sequence, torch.zeros(1, 1, 32))
    assert len(maps) == (6 if name == "conformer" else 2)
    for each in maps:
        assert each.shape == (4, 40, 40)
        torch.testing.assert_close(each.sum(-1), torch.ones(4, 40))
        assert not each.triu(1).any()
    assert network.training, "the network is left as it was"


def test_attention_maps_are_zero_outside_the_window() -> None:
    network = tiny(ARCHITECTURES["conformer"], Tokens(61), depth=1, windows=(6,))
    (each,) = attention_maps(network, torch.randint(0, 61, (1, 40)), torch.zeros(1, 1, 32))
    assert not each.tril(-7).any()
    assert each.diagonal(-6, 1, 2).all()


def test_local_attention_costs_the_same_per_position_at_any_length() -> None:
    network = tiny(ARCHITECTURES["conformer"], Tokens(61))
    short, long = (flops_per_position(network, Tokens(61), length) for length in (2048, 8192))
    assert long == pytest.approx(short, rel=0.01)


def test_a_matrix_product_costs_two_operations_a_weight() -> None:
    network = tiny(ARCHITECTURES["gpt"], Frames(16))
    body = 2 * 12 * 32 * 32  # weights of 2 layers: qkv 3, out 1, feed-forward 8 times D²
    attention = 2 * 2 * 10 * 32  # two products over 10 keys in 2 layers
    expected = 2 * (body + attention + 3 * 16 * 32)  # stem, head, conditions
    assert flops_per_position(network, Frames(16), 10) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_size_fits_every_architecture(name: str, size: str) -> None:
    config = config_for(ARCHITECTURES[name], size, {"dropout": "0.2"})
    with torch.device("meta"):
        body = ARCHITECTURES[name](config)
    assert (config.dim, config.depth, config.heads) == tuple(SIZES[size].values())
    assert (body.dim, config.dropout) == (config.dim, 0.2)


def test_an_unknown_size_suggests_a_known_one() -> None:
    with pytest.raises(UnknownNameError, match=r"(?s)smal.*small"):
        config_for(ARCHITECTURES["gpt"], "smal")


def test_a_tied_matrix_counts_once() -> None:
    config = config_for(ARCHITECTURES["gpt"], "tiny", {"max_length": 8})
    tied, untied = (
        Network(ARCHITECTURES["gpt"](config), Tokens(61), {}, NetworkConfig(tied=tied))
        for tied in (True, False)
    )
    assert parameters(untied) - parameters(tied) == 61 * config.dim
