"""What of the corpus is shown how often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.config import build
from musictk.ingest import tokenize
from musictk.jobs.corpus import DataSettings, count_conditions, require_pieces, weighted
from musictk.jobs.shards import crops, fitted
from tests.jobs.conftest import Room


def drawn(room: Room, **data: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each training piece is drawn, and its share of the positions."""
    tokenizer = fitted(room.catalog, room.workspace, "events", {})
    pieces = require_pieces(room.catalog, tokenizer.reads).values()
    conditions = count_conditions(pieces, ("composer",), 1)
    settings = build(DataSettings, data, "data")
    shown = crops(room.catalog, room.workspace, tokenizer, "train", conditions, settings)
    chosen = np.concatenate([shown.batch(0, step, 256, 16).pieces for step in range(40)])
    counts = np.bincount(chosen, minlength=len(shown.shard.files))
    return counts / counts.sum(), shown.shard.lengths / shown.shard.lengths.sum()


def test_positions_are_shown_equally_often(room: Room) -> None:
    often, share = drawn(room, balance=0)
    assert share.max() > 1.5 * share.min()
    assert often == pytest.approx(share, abs=0.02)


def test_or_pieces_are_whatever_their_length(room: Room) -> None:
    often, share = drawn(room, balance=0, draw="pieces")
    assert often == pytest.approx(np.full(len(share), 1 / len(share)), abs=0.02)


@pytest.mark.parametrize("draw", ["positions", "pieces"])
def test_composers_are_balanced(room: Room, draw: str) -> None:
    """One composer has one piece and the other the rest: each is shown half of the time."""
    tokenizer = fitted(room.catalog, room.workspace, "events", {})
    shard = tokenize(room.catalog, room.workspace, tokenizer, "train")
    first = int(shard.files[0])
    pieces = {
        key: replace(piece, composer="Petzold" if key == first else "Bach")
        for key, piece in require_pieces(room.catalog, tokenizer.reads).items()
    }
    for balance, share in ((0.0, None), (1.0, 0.5)):
        settings = build(DataSettings, {"balance": balance, "draw": draw}, "data")
        predicted = shard.lengths + 1  # its eos too
        amount = predicted if draw == "positions" else np.ones(len(shard.files))
        chances = weighted(pieces, shard, settings) * amount
        found = chances[shard.files == first].sum() / chances.sum()
        expected = amount[0] / amount.sum() if share is None else share
        assert found == pytest.approx(expected)
