"""What a run will do, settled from all that was said."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from musictk.errors import UsageError
from musictk.jobs.plan import Plan, TrainRequest
from musictk.jobs.settle import plan_for
from musictk.training.preset import load_preset, preset_names
from tests.jobs.conftest import Room

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"arch": "roll"}, "keeps its arch, which is 'gpt'; leave arch=roll out"),
        ({"tokenizer": "remi"}, "keeps its tokenizer, which is 'events'"),
        ({"size": "tiny"}, "leave size=tiny out"),
        ({"preset": "seed-002"}, "keeps its arch"),
        ({"overrides": {"model": {"dim": 64}}}, "model.dim, which is 32; leave model.dim=64 out"),
        ({"overrides": {"network": {"tied": True}}}, "network.tied, which is False"),
        ({"overrides": {"tokens": {"levels": 8}}}, "setting of tokens"),
    ],
)
def test_what_the_weights_fix_is_not_changed(room: Room, asked: Any, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_for(room.catalog, TrainRequest(start="gpt-1", **asked))
    assert named in str(caught.value)


def test_what_is_the_same_may_be_said_again(room: Room) -> None:
    groups: dict[str, Any] = {"model": {"dim": "32", "dropout": 0.3}, "network": {"tied": False}}
    request = TrainRequest(start="gpt-1", arch="gpt", tokenizer="events", overrides=groups)
    plan = plan_for(room.catalog, request)
    assert (plan.arch, plan.tokenizer, plan.start) == ("gpt", "events", "gpt-1")
    assert plan.suited(1000, 9, "cpu").model["dropout"] == 0.3


def test_fine_tuning_goes_at_a_tenth_of_the_rate_unless_a_rate_is_given(room: Room) -> None:
    before = plan_for(room.catalog, TrainRequest(arch="gpt")).settings.optimisation.lr
    first = Plan.read(room.catalog.run("gpt-1").settings).settings.optimisation.lr
    plan = plan_for(room.catalog, TrainRequest(start="gpt-1"))
    assert plan.suited(1000, 9, "cpu").settings.optimisation.lr == pytest.approx(0.1 * first)
    plan = plan_for(room.catalog, TrainRequest(start="gpt-1", overrides={"train": {"lr": before}}))
    assert plan.suited(1000, 9, "cpu").settings.optimisation.lr == before
    again = room.train(start="gpt-1")
    plan = plan_for(room.catalog, TrainRequest(start=again.run))
    assert plan.settings.optimisation.lr == pytest.approx(0.1 * first)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('arhc = "gpt"\n', "did you mean 'arch'"),
        ("model = 3\n", "is not a table of settings"),
        ("arch = 3\n", "is not text"),
        ("epochs = true\n", "is not a number"),
        ("[model]\ndimm = 3\n", "did you mean 'dim'"),
        ("[train]\nwarmpu = 0.1\n", "did you mean 'warmup'"),
        ("[data]\nbalanse = 0.1\n", "did you mean 'balance'"),
        ("[model\n", "not valid TOML"),
        ("[sample]\ntemprature = 1\n", "did you mean 'temperature'"),
        ('export = "onnx"\n', "is not a list of names"),
        ('export = ["onx"]\n', "did you mean 'onnx'"),
    ],
)
def test_a_file_is_checked_as_presets_are(
    room: Room, tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=named):
        plan_for(room.catalog, TrainRequest(arch="gpt", config=file))


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("data", "transpose", 100),
        ("data", "stretch", [9]),
        ("data", "stretch", [1.0]),
        ("data", "keys", [0]),
        ("data", "keys", [90]),
        ("data", "balance", 2),
        ("data", "threshold", 0),
        ("train", "steps", 0),
        ("sample", "temperature", -1),
        ("sample", "top_p", 0),
        ("sample", "guidance", 101),
        ("sample", "max_tokens", 3),
    ],
)
def test_a_value_out_of_range_is_refused_at_once(
    room: Room, group: str, key: str, value: Any
) -> None:
    with pytest.raises(UsageError, match=r"give|must"):
        plan_for(room.catalog, TrainRequest(overrides={group: {key: value}}))


@pytest.mark.parametrize("epochs", [0.0, -1.0, float("inf"), float("nan")])
def test_epochs_are_a_number_above_0(room: Room, tmp_path: Path, epochs: float) -> None:
    with pytest.raises(UsageError, match="above 0"):
        plan_for(room.catalog, TrainRequest(epochs=epochs))
    file = tmp_path / "settings.toml"
    file.write_text(f"epochs = {epochs}\n")
    with pytest.raises(UsageError, match="above 0"):
        plan_for(room.catalog, TrainRequest(config=file))


def test_the_file_of_the_documentation_is_read_as_it_says(room: Room, tmp_path: Path) -> None:
    found = re.findall(r"```toml\n(.*?)```", COMMANDS.read_text("utf-8"), re.S)
    file = tmp_path / "experiment.toml"
    file.write_text(found[1])
    plan = plan_for(room.catalog, TrainRequest(config=file))
    assert (plan.arch, plan.tokenizer, plan.model) == ("relative", "events", {"depth": 4})
    assert (plan.epochs, plan.evaluate_epochs, plan.checkpoint_epochs) == (20, 1, 5)
    assert plan.shown.keys == (-2, 2)
    assert plan.export == ("onnx",)
    assert plan.sample == {"temperature": 0.9, "top_k": 40}
    assert plan.suited(10**6, 9, "cpu").train["patience"] == 3


def test_epochs_become_steps(room: Room) -> None:
    plan = plan_for(room.catalog, TrainRequest(preset="seed-000"))
    a_step = 8 * 4 * 1024
    train = plan.suited(100 * a_step, 9, "cpu").train
    assert train["steps"] == 100 * 100
    assert (train["evaluate_every"], train["checkpoint_every"]) == (100, 1000)


def test_an_epoch_counts_the_windows_that_hold_the_music_once(room: Room) -> None:
    plan = plan_for(room.catalog, TrainRequest(preset="seed-000"))
    train = plan.suited(10**6, 9, "cpu", rows=lambda length: 3_200_000 // length).train
    assert train["steps"] == ceil(100 * 3125 / (8 * 4))


def test_an_epoch_of_seed_001_is_a_window_of_each_piece(room: Room) -> None:
    """Its own figures: 10,841 pieces, two at a time, are 5,421 batches; eight make a step."""
    plan = plan_for(room.catalog, TrainRequest(preset="seed-001"))
    train = plan.suited(142_000_000, 10_841, "cpu").train
    assert train["steps"] == ceil(500 * 10_841 / 2 / 8)
    assert train["checkpoint_every"] == ceil(10 * 10_841 / 2 / 8)


def test_a_later_count_of_steps_takes_the_place_of_epochs(room: Room) -> None:
    groups = {"train": {"steps": 7, "evaluate_every": 5}}
    plan = plan_for(room.catalog, TrainRequest(preset="seed-000", overrides=groups))
    assert (plan.epochs, plan.evaluate_epochs, plan.checkpoint_epochs) == (None, None, 10)
    train = plan.suited(10**6, 9, "cpu").train
    assert (train["steps"], train["evaluate_every"]) == (7, 5)
    plan = plan_for(room.catalog, TrainRequest(epochs=2, overrides=groups))
    assert plan.epochs == 2


def test_a_size_leaves_the_numbers_that_were_set(room: Room) -> None:
    asked = TrainRequest(preset="seed-004", size="tiny", overrides={"model": {"depth": 2}})
    model = plan_for(room.catalog, asked).suited(10**6, 9, "cpu").model
    assert (model["dim"], model["depth"], model["heads"]) == (128, 2, 4)


@pytest.mark.parametrize("name", preset_names())
def test_a_seed_is_trained_as_published(room: Room, name: str) -> None:
    """None of them transposes or balances, and only one stops early."""
    plan = plan_for(room.catalog, TrainRequest(preset=name)).suited(10**7, 9, "cpu")
    assert (plan.shown.transpose, plan.shown.balance) == (0, 0)
    assert plan.settings.schedule.patience == (15 if name == "seed-000" else 0)
    assert plan.model["dropout"] == load_preset(name)["model"]["dropout"] == 0.1
