from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from musictk.model.network import loss
from musictk.tokens import Frames
from musictk.training.evaluate import nll


def test_nats_of_a_piece_are_those_of_one_long_window(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    network.eval()
    scores = nll(network, valid, batch=2, length=512)
    piece = valid.shard.piece(1)
    whole = torch.tensor([1, *piece.tolist(), 2])[None]
    condition = network.condition(torch.from_numpy(valid.conditions[1:2]))
    with torch.no_grad():
        logits, _ = network(whole[:, :-1], condition, network.begin(1, 0))
        expected = float(loss(logits, whole[:, 1:], small.TOKENS).sum())
    assert scores.nats[1] == pytest.approx(expected, rel=1e-5)
    assert scores.positions[1] == len(piece) + 1


def test_nats_by_position_are_those_of_each_place_in_the_piece(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    costs = []
    for index in range(len(valid.shard.files)):
        whole = torch.tensor([1, *valid.shard.piece(index).tolist(), 2])[None]
        condition = network.eval().condition(torch.from_numpy(valid.conditions[[index]]))
        with torch.no_grad():
            logits, _ = network(whole[:, :-1], condition, network.begin(1, 0))
            costs.append(loss(logits, whole[:, 1:], small.TOKENS)[0].numpy())
    found = nll(network, valid, batch=2, length=512).by_position
    assert list(found) == ["0", "1-7", "8-63", "later"]
    for name, places in zip(found, ((0, 1), (1, 8), (8, 64), (64, None)), strict=True):
        expected = np.concatenate([each[slice(*places)] for each in costs]).mean()
        assert found[name] == pytest.approx(expected, rel=1e-5)


def test_later_windows_are_not_taken_for_beginnings(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    scores = nll(network, valid, batch=3, length=10, context=4)
    assert scores.band_positions[:, :3].tolist() == [[1, 7, 56]] * len(valid.shard.files)
    assert np.array_equal(scores.positions, valid.shard.lengths + 1)


@pytest.mark.parametrize("context", [0, 16])
def test_every_position_counts_once(small: SimpleNamespace, context: int) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    scores = nll(network, valid, batch=3, length=32, context=context)
    assert scores.positions.sum() == valid.positions
    assert np.array_equal(scores.positions, valid.shard.lengths + 1)


def test_context_makes_windows_agree_with_one_long_one(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    whole, bare, given = (
        nll(network.eval(), valid, batch=4, length=length, context=context).mean
        for length, context in ((512, 0), (32, 0), (32, 31))
    )
    # Positions count from the window's start, so they never agree exactly.
    assert abs(given - whole) < abs(bare - whole) + 0.05


def test_a_cap_looks_at_fewer_batches_spread_over_the_split(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    _, valid = small.splits()
    some = nll(network, valid, batch=2, length=32, batches=4)
    assert 0 < some.positions.sum() <= 4 * 2 * 32
    assert (some.positions > 0).sum() > 1


def test_frames_and_a_networks_mode_are_left_as_they_were(small: SimpleNamespace) -> None:
    space = Frames(width=128)
    network, _ = small.fresh(space)
    _, valid = small.splits(space)
    network.train()
    scores = nll(network, valid, batch=2, length=64)
    assert network.training
    assert scores.positions.sum() == valid.shard.lengths.sum()
    # Untrained, each pitch sounds with odds of 4 in 128; in a melody one of them does.
    odds = 4 / 128
    assert scores.mean == pytest.approx(-np.log(odds) - 127 * np.log(1 - odds), rel=0.3)
