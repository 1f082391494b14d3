"""Training jobs, from the catalog to a run in it."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError, UsageError
from musictk.ingest import IngestOptions, ingest
from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.tokens.crops import VERSION
from musictk.tokens.cuts import cut
from musictk.training.outcome import Report
from musictk.training.preset import load_preset, preset_names
from tests.jobs.conftest import SMALL, Listener, Room

TINY = {"dim": 32, "depth": 2, "heads": 2}
BRIEF = {"steps": 2, "length": 64, "batch": 2, "evaluate_batches": 1, "tensorboard": False}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_trains_for_some_steps(room: Room, name: str) -> None:
    """All of its settings but the size, on real music, through its own tokenizer."""
    made = room.train(preset=name, steps=None, groups={"model": TINY, "train": BRIEF})
    preset = load_preset(name)
    assert made.outcome.step == 2
    manifest = Manifest.read(made.outcome.best)
    assert (manifest.architecture, manifest.tokenizer) == (preset["arch"], preset["tokenizer"])
    assert manifest.network_config["tied"] is preset.get("network", {}).get("tied", False)
    assert manifest.architecture_config["dropout"] == 0.1
    assert manifest.sampling == preset.get("sample", {})
    assert [each.kind for each in made.exports] == preset.get("export", [])


def test_seed_002_is_no_longer_than_its_crops(room: Room) -> None:
    made = room.train(preset="seed-002", groups={"model": TINY, "train": BRIEF})
    assert Manifest.read(made.outcome.last).max_length == 1024


def test_a_fine_tuned_run_may_change_its_dropout(room: Room) -> None:
    groups = {"model": {"dropout": 0.25}, "train": {"tensorboard": False}}
    made = room.train(start="gpt-1", groups=groups)
    manifest = Manifest.read(made.outcome.last)
    assert made.run == "gpt-2"
    assert (manifest.architecture, manifest.architecture_config["dropout"]) == ("gpt", 0.25)
    assert room.catalog.run("gpt-2").settings["model"]["dropout"] == 0.25


def test_a_finished_run_is_not_resumed(room: Room) -> None:
    with pytest.raises(UsageError, match="fine-tune it with: musictk train --from gpt-1"):
        room.resume("gpt-1")
    assert room.catalog.run("gpt-1").status == "finished"


def test_two_epochs_draw_each_position_twice_on_average(room: Room) -> None:
    listener = Listener()
    room.train(listener, arch="gpt", tokenizer="events", steps=None, epochs=2.0)
    spans = room.catalog.spans_at(room.catalog.run("gpt-2").settings["shards"]["train"])
    crops = cut(np.array([span.length + 1 for span in spans]), 64).rows
    assert listener.facts.steps == ceil(2 * crops / 2)
    assert crops * 64 > 1.01 * listener.facts.train_positions


def test_resuming_an_older_run_reports_its_other_crops(room: Room) -> None:
    kept = room.train(arch="gpt", tokenizer="events")
    assert room.catalog.run(kept.run).settings["crops_version"] == VERSION
    room.catalog.finish_run(kept.run, "interrupted")
    listener = Listener()
    room.resume(kept.run, listener)
    assert listener.facts.redrawn is False
    renamed = f"json_set(json_remove(settings, '$.crops_version'), '$.windows', {VERSION})"
    for stored, redrawn in ((renamed, False), ("json_remove(settings, '$.windows')", True)):
        room.catalog.finish_run(kept.run, "interrupted")
        with closing(sqlite3.connect(room.workspace.catalog)) as database:
            database.execute(f"UPDATE runs SET settings = {stored}")
            database.commit()
        room.resume(kept.run, listener)
        assert listener.facts.redrawn is redrawn


def test_a_run_resumes_with_the_music_it_began_with(room: Room) -> None:
    class Stopper(Listener):
        def stepped(self, report: Report) -> None:
            signal.raise_signal(signal.SIGINT)

    each = {"train": {**SMALL["train"], "log_every": 1}}
    given: dict[str, Any] = {"arch": "gpt", "tokenizer": "events", "steps": 4, "groups": each}
    whole = room.train(**given)
    cut = room.train(Stopper(), **given)
    assert cut.outcome.interrupted
    room.ingest_more(8)
    listener = Listener()
    resumed = room.resume(cut.run, listener)
    assert listener.facts.train_positions == whole.facts.train_positions
    assert resumed.outcome.digest == whole.outcome.digest
    again = room.train(**given)
    assert again.facts.train_positions > whole.facts.train_positions


def test_a_run_whose_export_fails_is_kept(room: Room) -> None:
    room.workspace.exports.write_text("in the way")
    made = room.train(arch="gpt", tokenizer="events", export=("torchscript",))
    assert (made.outcome.ended, made.exports) == ("finished", ())
    assert made.unexported is not None
    assert f"musictk export --run {made.run}" in str(made.unexported)
    assert room.catalog.run(made.run).status == "finished"


def test_pieces_that_the_tokenizer_refuses_are_reported(room: Room) -> None:
    """A piece of drums alone is music, and nothing to a piano roll."""
    folder = room.workspace.root / "drums"
    folder.mkdir()
    for number in range(12):
        score, drums = ScoreTick(480), TrackTick("drums", 0, True)
        for beat in range(16 + number):
            drums.notes.append(
                NoteTick(beat * 240 * (1 + beat % (2 + number)), 120, 36 + number, 80)
            )
        score.tracks.append(drums)
        score.dump_midi(str(folder / f"{number}.mid"))
    ingest(room.catalog, room.workspace, [folder], IngestOptions(workers=1))
    listener = Listener()
    room.train(listener, arch="gpt", tokenizer="pianoroll")
    assert listener.facts.refused
    assert set(listener.facts.refused) == {"refused: it has no pitched note"}


def test_a_run_without_a_checkpoint_is_an_error(room: Room) -> None:
    row = room.catalog.run("gpt-1")
    lost = room.catalog.start_run("gpt", row.tokenizer, row.settings, "lost")
    room.catalog.finish_run(lost.name, "failed")
    message = "before its first checkpoint; train it again"
    with pytest.raises(MusictkError, match=message):
        room.resume("lost")
    with pytest.raises(MusictkError, match=message):
        room.train(start="lost")
    assert {run.name: run.status for run in room.catalog.runs()} == {
        "gpt-1": "finished",
        "lost": "failed",
    }


def test_invalid_settings_make_no_run(room: Room) -> None:
    with pytest.raises(UsageError):
        room.train(arch="gpt", groups={"data": {"transpose": 100}})
    assert [run.name for run in room.catalog.runs()] == ["gpt-1"]


def test_a_run_that_cannot_be_prepared_has_failed(room: Room) -> None:
    row = room.catalog.run("gpt-1")
    broken = room.catalog.start_run("gpt", row.tokenizer, row.settings, "broken")
    shutil.copytree(room.workspace.runs / "gpt-1", room.workspace.runs / broken.name, symlinks=True)
    (room.workspace.runs / broken.name / "last" / "manifest.json").write_text("{}")
    with pytest.raises(MusictkError):
        room.resume("broken")
    assert room.catalog.run("broken").status == "failed"


@pytest.mark.parametrize(
    ("tokenizer", "groups", "ineffective"),
    [
        ("remi", {"tokens": {"bpe": 600}}, ("transpose",)),
        ("remi", {"tokens": {"bpe": 600}, "data": {"transpose": 0, "keys": [1]}}, ()),
        ("pianoroll", {"data": {"velocity": 8, "stretch": [1.1]}}, ("velocity", "stretch")),
        ("events", {"data": {"velocity": 8}}, ()),
    ],
)
def test_augmentation_without_effect_is_reported(
    room: Room, tokenizer: str, groups: dict[str, Any], ineffective: tuple[str, ...]
) -> None:
    listener = Listener()
    room.train(listener, arch="gpt", tokenizer=tokenizer, groups=groups, size="tiny")
    assert listener.facts.no_effect == ineffective


def test_music_that_another_tokenizer_reads(tmp_path: Path) -> None:
    from musictk.catalog import Catalog
    from musictk.ingest import ingest
    from musictk.workspace import Workspace

    (tmp_path / "tune.abc").write_text("X:1\nM:4/4\nL:1/8\nK:G\nG2BG dGBG|c2ec B2dB|G8|\n")
    workspace = Workspace(tmp_path)
    with Catalog.open(workspace.catalog_url, tmp_path) as catalog:
        ingest(catalog, workspace, [tmp_path / "tune.abc"], IngestOptions(workers=1))
        with pytest.raises(MusictkError, match="--tokenizer text"):
            Room(catalog, workspace).train()


def test_adapters_train_the_vectors_of_bar_controls_too(room: Room) -> None:
    first = room.train(arch="gpt", tokenizer="events")
    tuned = room.train(start=first.run, lora=2, groups={"train": {"lr": 1e-2}})
    before, after = (bundle.read(made.outcome.last)[0].state_dict() for made in (first, tuned))
    assert set(before) == set(after)
    same = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert "controls.weight" not in same
    assert any(name.startswith("stem") for name in same)


def test_a_run_of_adapters_with_bar_controls_resumes_exactly(room: Room) -> None:
    class Stopper(Listener):
        def stepped(self, report: Report) -> None:
            signal.raise_signal(signal.SIGINT)

    each = {"train": {**SMALL["train"], "log_every": 1, "lr": 1e-2}}
    given: dict[str, Any] = {"start": "gpt-1", "lora": 2, "steps": 4, "groups": each}
    whole = room.train(**given)
    cut = room.train(Stopper(), **given)
    assert cut.outcome.interrupted
    assert room.resume(cut.run).outcome.digest == whole.outcome.digest


def test_the_speed_of_equal_settings_is_measured_once(room: Room) -> None:
    listener = Listener()
    room.train(listener, arch="gpt", tokenizer="events", steps=None, minutes=0.1)
    assert listener.measured == 1
