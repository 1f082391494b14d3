"""Runs on the same pieces, whatever the current splits are."""

from __future__ import annotations

import pytest

from musictk.catalog import Fractions
from musictk.jobs.compare import compare
from tests.jobs.conftest import Room


def test_no_run_is_scored_on_what_it_was_trained_on(room: Room) -> None:
    room.ingest_more(15)
    room.train(arch="gpt", tokenizer="remi")
    room.train(start="gpt-2")
    first, second = (trained_on(room, run) for run in ("gpt-1", "gpt-2"))
    room.catalog.split(Fractions(valid=0.6, test=0.2))
    split = {piece.id for piece in room.catalog.pieces("valid")}
    assert split & second
    found = compare(room.catalog, room.workspace, ["gpt-1", "gpt-2", "gpt-3"])
    assert {run.pieces for run in found.runs} == {len(split - first - second)}
    seen = {
        "gpt-1": len(split & first),
        "gpt-2": len(split & second),
        "gpt-3": len(split & second),
    }
    assert found.seen == {run: many for run, many in seen.items() if many}


def test_nats_by_position_are_over_the_pieces_compared(room: Room) -> None:
    room.ingest_more(15)
    room.train(arch="gpt", tokenizer="events")
    (row,) = compare(room.catalog, room.workspace, ["gpt-2"]).plain()
    assert set(row["by_position"]) == {"0", "1-7", "8-63", "later"}
    # Almost all positions are later ones.
    assert row["by_position"]["later"] == pytest.approx(row["per_token"], rel=0.05)


def trained_on(room: Room, run: str) -> set[int]:
    """The files that it saw."""
    path = room.catalog.run(run).settings["shards"]["train"]
    return {span.file_id for span in room.catalog.spans_at(path)}
