"""Runs on the same pieces, whatever the current splits are."""

from __future__ import annotations

from pathlib import Path

import pytest
from symusic.core import ScoreTick

from musictk.catalog import Fractions
from musictk.ingest import IngestOptions, ingest
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


def test_copies_of_training_pieces_that_have_left_the_catalog_are_known(room: Room) -> None:
    """A folder that is replaced by another edition of its music, in another key."""
    room.ingest_more(15)
    room.train(arch="gpt", tokenizer="remi")
    trained = trained_on(room, "gpt-2")
    old = {piece.id: Path(piece.path) for piece in room.catalog.pieces()}
    copies: dict[str, int] = {}  # to the old file, by name
    (room.workspace.root / "edition").mkdir()
    for number, path in old.items():
        copies[path.name] = number
        moved = ScoreTick(room.workspace.root / path).shift_pitch(1)
        moved.dump_midi(room.workspace.root / "edition" / path.name)
        (room.workspace.root / path).unlink()
    for folder in ("more", "midis", "edition"):  # missing before their copies are found
        ingest(room.catalog, room.workspace, [room.workspace.root / folder], IngestOptions())
    room.catalog.split(Fractions(valid=0.6, test=0.2))
    valid = room.catalog.pieces("valid")
    known = [piece for piece in valid if copies[Path(piece.path).name] in trained]
    assert 0 < len(known) < len(valid)
    found = compare(room.catalog, room.workspace, ["gpt-2"])
    assert found.seen == {"gpt-2": len(known)}
    assert [run.pieces for run in found.runs] == [len(valid) - len(known)]


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
