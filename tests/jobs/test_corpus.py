"""The corpus: read once, and drawn from with the weights of the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, event

from musictk.config import build
from musictk.ingest import IngestOptions, ingest
from musictk.jobs.corpus import Corpus, piece_weights
from musictk.jobs.data import DataSettings
from musictk.jobs.evaluate import music
from tests.jobs.conftest import Room


def drawn(room: Room, **data: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each training piece is drawn, and its share of the positions."""
    corpus = Corpus(room.catalog, room.workspace)
    tokenizer = corpus.tokenizer("events", {})
    conditions = corpus.conditions(tokenizer, ("composer",), 1)
    settings = build(DataSettings, data, "data")
    crops = corpus.crops(tokenizer, "train", conditions, settings)
    chosen = np.concatenate([crops.batch(0, step, 256, 16).pieces for step in range(40)])
    counts = np.bincount(chosen, minlength=len(crops.shard.files))
    return counts / counts.sum(), crops.shard.lengths / crops.shard.lengths.sum()


def test_positions_are_drawn_equally_often(room: Room) -> None:
    often, share = drawn(room, balance=0)
    assert share.max() > 1.5 * share.min()
    assert often == pytest.approx(share, abs=0.02)


def test_pieces_are_drawn_equally_often(room: Room) -> None:
    often, share = drawn(room, balance=0, draw="pieces")
    assert often == pytest.approx(np.full(len(share), 1 / len(share)), abs=0.02)


@pytest.mark.parametrize("draw", ["positions", "pieces"])
def test_composers_are_balanced(room: Room, draw: str) -> None:
    """One composer has one piece and the other the rest: each is drawn half of the time."""
    corpus = Corpus(room.catalog, room.workspace)
    tokenizer = corpus.tokenizer("events", {})
    shard = corpus.shard(tokenizer, "train")
    first = int(shard.files[0])
    pieces = {
        key: replace(piece, composer="Petzold" if key == first else "Bach")
        for key, piece in corpus.require(tokenizer.reads).items()
    }
    for balance, share in ((0.0, None), (1.0, 0.5)):
        settings = build(DataSettings, {"balance": balance, "draw": draw}, "data")
        predicted = shard.lengths + 1  # its eos too
        amount = predicted if draw == "positions" else np.ones(len(shard.files))
        chances = piece_weights(pieces, shard, settings) * amount
        found = chances[shard.files == first].sum() / chances.sum()
        expected = amount[0] / amount.sum() if share is None else share
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("tokenizer", ["events", "text"])
def test_a_run_reads_the_pieces_once(room: Room, tokenizer: str) -> None:
    """Counted in SQL, whether or not the tokenizer has to be fitted and the pieces encoded."""
    tune = room.workspace.root / "tune.abc"
    tune.write_text("X:1\nM:4/4\nL:1/8\nK:G\nG2BG dGBG|c2ec B2dB|\n")
    ingest(room.catalog, room.workspace, [tune], IngestOptions(workers=1))
    statements: list[str] = []

    def count(*given: Any) -> None:
        statements.append(given[2])

    event.listen(Engine, "before_cursor_execute", count)
    try:
        room.train(arch="gpt", tokenizer=tokenizer)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len([each for each in statements if "FROM files" in each]) == 1


def test_pieces_that_cannot_be_read_are_left_out(room: Room) -> None:
    """Music is compared with the pieces that are there; a missing file is no reason to stop."""
    corpus = Corpus(room.catalog, room.workspace)
    pieces = corpus.select({"midi"})
    (_, score), *_ = corpus.scores(pieces)
    whole = music(room.catalog, room.workspace, score)
    (room.workspace.root / str(pieces[1].path)).unlink()
    steps: list[float] = []
    found = list(corpus.scores(pieces, lambda done, _: steps.append(done)))
    assert [info for info, _ in found] == [pieces[0], *pieces[2:]]
    assert steps == list(range(1, len(pieces) + 1))
    left = music(room.catalog, room.workspace, score)
    assert left["corpus"] == whole["corpus"] - 1
