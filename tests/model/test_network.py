"""Stem, conditions, head, loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from musictk.model.conditions import Conditions, vector
from musictk.model.network import Network, NetworkConfig, loss
from musictk.plugin import registry
from musictk.tokens import Frames, Space, Tokens

GPT = registry().load("architecture", "gpt")


def network(space: Space, **settings: object) -> Network:
    torch.manual_seed(0)
    body = GPT(GPT.Config(dim=32, depth=2, heads=4))
    sizes = {"composer": 4, "period": 3}
    return Network(body, space, sizes, NetworkConfig(**settings)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("tied", [True, False])
def test_untrained_logits_are_of_the_order_of_one(tied: bool) -> None:
    """Whether or not they are products with embeddings of unit variance."""
    net = network(Tokens(300), tied=tied)
    condition = net.condition(torch.zeros(4, 2, dtype=torch.int64))
    logits, _ = net(torch.randint(3, 300, (4, 64)), condition, net.begin(4, 0))
    assert 0.3 < logits.std() < 2


def test_untrained_frames_are_almost_silent() -> None:
    """A few pitches in all, not every second one: 88 nats a frame would be the price of that."""
    net = network(Frames(128))
    frames = (torch.rand(4, 64, 128) < 4 / 128).to(torch.uint8)
    assert 0.5 < net.stem(frames).std() < 2
    logits, _ = net(frames, torch.zeros(4, 1, 32), net.begin(4, 0))
    assert 1 < logits.sigmoid().sum(-1).mean() < 10
    assert loss(logits, frames, Frames(128)).mean() < 30


def test_tied_weights_are_one_tensor() -> None:
    tied, untied = network(Tokens(61), tied=True), network(Tokens(61), tied=False)
    assert tied.head.linear.weight is tied.stem.get_parameter("embedding.weight")
    assert untied.head.linear.weight is not untied.stem.get_parameter("embedding.weight")


def test_a_condition_is_the_sum_of_its_vectors_with_and_without_torch() -> None:
    net = network(Tokens(61))
    labels = {"composer": ("", "OTHER", "Bach", "Chopin"), "period": ("", "OTHER", "Baroque")}
    conditions = Conditions(labels)
    tables = [table.get_parameter("weight").detach().numpy() for table in net.tables]
    chosen = conditions.ids({"composer": "Chopin"})
    mixture = conditions.mixture({"composer": [("Chopin", 2.0)]})
    ours = net.condition(torch.from_numpy(chosen)[None])[0, 0].detach().numpy()
    np.testing.assert_allclose(vector(tables, mixture), ours, rtol=1e-6)
    half = conditions.mixture({"composer": [("Bach", 1.0), ("Chopin", 1.0)]})
    expected = (tables[0][2] + tables[0][3]) / 2 + tables[1][0]
    np.testing.assert_allclose(vector(tables, half), expected, rtol=1e-5)


def test_loss_of_tokens_leaves_out_pad_and_what_is_masked() -> None:
    space, logits = Tokens(9), torch.randn(2, 5, 9)
    targets = torch.randint(1, 9, (2, 5))
    targets[0, 3] = space.pad
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 0] = False
    each = loss(logits, targets, space, mask=mask)
    assert each.shape == (2, 5)
    assert each[0, 3] == each[1, 0] == 0
    expected = -logits[1, 4].log_softmax(0)[targets[1, 4]]
    torch.testing.assert_close(each[1, 4], expected)


def test_loss_of_frames_sums_over_pitches() -> None:
    logits, targets = torch.randn(2, 3, 16), torch.randint(0, 2, (2, 3, 16), dtype=torch.uint8)
    each = loss(logits, targets, Frames(16))
    one = F.binary_cross_entropy_with_logits(logits[1, 2], targets[1, 2].float(), reduction="sum")
    torch.testing.assert_close(each[1, 2], one)
