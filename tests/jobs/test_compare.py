"""Runs on the same pieces, whatever the current splits are."""

from __future__ import annotations

from pathlib import Path

import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.catalog import Fractions
from musictk.ingest import IngestOptions, ingest
from musictk.jobs.compare import compare
from musictk.jobs.run_settings import RunSettings, same_but_seed
from tests.jobs.conftest import BACH, Room


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


def test_a_run_that_repeats_a_seed_is_in_another_group() -> None:
    seeds = {"first": 0, "same": 0, "other": 1}
    runs = {name: RunSettings("gpt", "tiny", seed, {}, "corpus") for name, seed in seeds.items()}
    assert list(same_but_seed(runs)) == [["first", "other"], ["same"]]


def test_notes_of_drums_count_where_the_tokenizer_has_drums(room: Room) -> None:
    folder = room.workspace.root / "band"
    folder.mkdir()
    for path in sorted(BACH.glob("*.mid"))[-8:]:
        music = ScoreTick(path)
        beat = music.ticks_per_quarter
        drums = TrackTick("Drums", 0, True)
        for time in range(0, music.end(), beat):
            drums.notes.append(NoteTick(time, beat // 4, 36, 90))
        music.tracks.append(drums)
        music.dump_midi(folder / path.name)
    ingest(room.catalog, room.workspace, [folder], IngestOptions(workers=1))
    room.catalog.split(Fractions(valid=0.4, test=0.0))
    for programs in (False, True):
        room.train(arch="gpt", tokenizer="remi", groups={"tokens": {"programs": programs}})
    found = compare(room.catalog, room.workspace, ["gpt-2", "gpt-3"])
    assert not found.equal_tokens
    rows = {run.run: run for run in found.runs}
    held = room.catalog.pieces("valid")
    seconds = sum(piece.seconds for piece in held)
    counts = {"gpt-2": 0, "gpt-3": 0}
    for piece in held:
        tracks = ScoreTick(room.workspace.root / piece.path).tracks
        counts["gpt-2"] += sum(len(each.notes) for each in tracks if not each.is_drum)
        counts["gpt-3"] += sum(len(each.notes) for each in tracks)
    assert 0 < counts["gpt-2"] < counts["gpt-3"]
    for name, count in counts.items():
        per_note, per_second = rows[name].per_note, rows[name].per_second
        assert per_note is not None
        assert per_second is not None
        assert per_note.mean * count == pytest.approx(per_second.mean * seconds)


def trained_on(room: Room, run: str) -> set[int]:
    """The files that it saw."""
    path = room.catalog.run(run).settings["shards"]["train"]
    return {span.file_id for span in room.catalog.spans_at(path)}
