"""The settings of a run, merged from their sources and filled in."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from musictk.errors import UsageError
from musictk.jobs.config import RunConfig
from musictk.jobs.merge import merge
from musictk.jobs.sources import Source
from musictk.training.preset import load_preset, preset_names
from musictk.training.recipe import RATES
from tests.jobs.conftest import Room

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"arch": "roll"}, "keeps its arch, which is 'gpt'; leave out arch=roll (flags)"),
        ({"tokenizer": "remi"}, "keeps its tokenizer, which is 'events'"),
        ({"size": "tiny"}, "leave out size=tiny (--size)"),
        ({"size": ["tiny"]}, "size \"['tiny']\""),
        (
            {"preset": "seed-002"},
            "keeps its arch, which is 'gpt'; leave out arch=conformer",
        ),
        ({"groups": {"model": {"dim": 64}}}, "model.dim, which is 32; leave out model.dim=64"),
        ({"groups": {"network": {"tied": True}}}, "network.tied, which is False"),
        ({"groups": {"tokens": {"levels": 8}}}, "setting of tokens"),
    ],
)
def test_settings_that_the_weights_fix_are_refused(room: Room, given: Any, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        room.config(start="gpt-1", **given)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": "some"},
        {"minutes": "5 minutes"},
        {"size": 3},
        {"export": "onnx"},
        {"track": "wandb"},
        {"conditions": "composer"},
        {"controls": "key"},
        {"recipe": "perhaps"},
    ],
)
def test_a_value_of_the_wrong_type_is_one_line(room: Room, given: dict[str, Any]) -> None:
    ((name, value),) = given.items()
    source = Source("flags", given)
    with pytest.raises(UsageError) as caught:
        merge([source])
    assert f"setting {name}={value!r}" in str(caught.value)
    assert "(from flags)" in str(caught.value)


def test_numbers_may_be_text() -> None:
    found = merge([Source("flags", {"minutes": "5", "recipe": "no", "export": ["onnx"]})])
    assert (found.minutes, found.recipe, found.export) == (5, False, ("onnx",))


def test_fixed_settings_may_be_repeated(room: Room) -> None:
    groups: dict[str, Any] = {"model": {"dim": "32", "dropout": 0.3}, "network": {"tied": False}}
    config = room.config(start="gpt-1", arch="gpt", tokenizer="events", groups=groups)
    assert (config.arch, config.tokenizer, config.start) == ("gpt", "events", "gpt-1")
    assert config.fill(1000, 9, "cpu").model["dropout"] == 0.3


def test_fine_tuning_has_a_tenth_of_the_rate_unless_a_rate_is_given(room: Room) -> None:
    before = room.config(arch="gpt").train_settings.optimisation.lr
    used = RunConfig.read(room.catalog.run("gpt-1").settings).train_settings.optimisation
    first = used.lr * RATES["adamw"]["small"] / RATES[used.optimizer]["small"]
    config = room.config(start="gpt-1")
    assert config.fill(1000, 9, "cpu").train_settings.optimisation.lr == pytest.approx(0.1 * first)
    config = room.config(start="gpt-1", groups={"train": {"lr": before}})
    assert config.fill(1000, 9, "cpu").train_settings.optimisation.lr == before
    again = room.train(start="gpt-1")
    config = room.config(start=again.run)
    assert config.train_settings.optimisation.lr == pytest.approx(0.1 * first)


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
        room.config(arch="gpt", file=file)


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
def test_a_value_out_of_range_is_refused(room: Room, group: str, key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=r"give|must"):
        room.config(groups={group: {key: value}})


@pytest.mark.parametrize("epochs", [0.0, -1.0, float("inf"), float("nan")])
def test_epochs_are_a_number_above_0(room: Room, tmp_path: Path, epochs: float) -> None:
    with pytest.raises(UsageError, match="above 0"):
        room.config(epochs=epochs)
    file = tmp_path / "settings.toml"
    file.write_text(f"epochs = {epochs}\n")
    with pytest.raises(UsageError, match="above 0"):
        room.config(file=file)


def test_the_config_file_in_the_documentation_is_valid(room: Room, tmp_path: Path) -> None:
    found = re.findall(r"```toml\n(.*?)```", COMMANDS.read_text("utf-8"), re.S)
    file = tmp_path / "experiment.toml"
    file.write_text(found[1])
    config = room.config(file=file)
    assert (config.arch, config.tokenizer, config.model) == ("relative", "events", {"depth": 4})
    assert (config.epochs, config.evaluate_epochs, config.checkpoint_epochs) == (20, 1, 5)
    assert config.data_settings.keys == (-2, 2)
    assert config.export == ("onnx",)
    assert config.sample == {"temperature": 0.9, "top_k": 40}
    assert config.fill(10**6, 9, "cpu").train["patience"] == 3


def test_epochs_become_steps(room: Room) -> None:
    config = room.config(preset="seed-000")
    per_step = 8 * 4 * 1024
    train = config.fill(100 * per_step, 9, "cpu").train
    assert train["steps"] == 100 * 100
    assert (train["evaluate_every"], train["checkpoint_every"]) == (100, 1000)


def test_an_epoch_counts_the_crops_that_cover_the_corpus(room: Room) -> None:
    config = room.config(preset="seed-000")
    train = config.fill(10**6, 9, "cpu", rows=lambda length: 3_200_000 // length).train
    assert train["steps"] == ceil(100 * 3125 / (8 * 4))


def test_an_epoch_of_seed_001_is_a_crop_of_each_piece(room: Room) -> None:
    """Its own figures: 10,841 pieces, two at a time, are 5,421 batches; eight make a step."""
    config = room.config(preset="seed-001")
    train = config.fill(142_000_000, 10_841, "cpu").train
    assert train["steps"] == ceil(500 * 10_841 / 2 / 8)
    assert train["checkpoint_every"] == ceil(10 * 10_841 / 2 / 8)


def test_later_steps_replace_epochs(room: Room) -> None:
    groups = {"train": {"steps": 7, "evaluate_every": 5}}
    config = room.config(preset="seed-000", groups=groups)
    assert (config.epochs, config.evaluate_epochs, config.checkpoint_epochs) == (None, None, 10)
    train = config.fill(10**6, 9, "cpu").train
    assert (train["steps"], train["evaluate_every"]) == (7, 5)
    config = room.config(epochs=2, groups=groups)
    assert config.epochs == 2


def test_a_size_keeps_later_dimensions(room: Room) -> None:
    config = room.config(preset="seed-004", size="tiny", groups={"model": {"depth": 2}})
    model = config.fill(10**6, 9, "cpu").model
    assert (model["dim"], model["depth"], model["heads"]) == (128, 2, 4)


@pytest.mark.parametrize("name", preset_names())
def test_a_seed_is_trained_as_published(room: Room, name: str) -> None:
    """None of them transposes or balances, and only one stops early."""
    config = room.config(preset=name).fill(10**7, 9, "cpu")
    assert (config.data_settings.transpose, config.data_settings.balance) == (0, 0)
    assert config.train_settings.schedule.patience == (15 if name == "seed-000" else 0)
    assert config.model["dropout"] == load_preset(name)["model"]["dropout"] == 0.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"groups": {"": {"clipp": 1}}}, "no setting 'clipp' (from --set)"),
        ({"groups": {"": {"lr": "fast"}}}, "(from --set)"),
        ({"groups": {"shards": {"train": "x"}}}, "no group of settings 'shards' (from --set)"),
        ({"groups": {"arch": {"gpt": 1}}}, "no group of settings 'arch' (from --set)"),
        ({"groups": {"train": {"batch": 0}}}, "must be above 0 (from --set)"),
        ({"preset": "seed-001", "tokenizer": "events"}, "(from preset seed-001)"),
        ({"epochs": 0}, "epochs=0 must be above 0 (from flags)"),
        ({"export": ["onx"]}, "no kind of export 'onx' (from flags)"),
    ],
)
def test_an_error_names_the_source_of_the_setting(room: Room, given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        room.config(**given)
    assert message in str(caught.value)
