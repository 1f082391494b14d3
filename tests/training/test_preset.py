from __future__ import annotations

import pytest

from musictk.config import build
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.sampling import Sampling
from musictk.plugin import registry
from musictk.training.preset import load_preset, preset_names, read_preset
from musictk.training.settings import TrainSettings

SEEDS = [f"seed-00{number}" for number in range(5)]


def test_every_seed_has_its_preset() -> None:
    assert set(SEEDS) <= set(preset_names())


def test_seed_001_is_as_published() -> None:
    preset = load_preset("seed-001")
    settings = TrainSettings().but(**preset["train"])
    assert (settings.loop.batch, settings.loop.accumulation, settings.loop.length) == (2, 8, 8192)
    assert settings.optimisation.lr == 5e-4
    assert settings.optimisation.label_smoothing == 0.1
    assert settings.schedule.warmup == 0.05
    encoder = registry().load("tokenizer", "remi")
    assert encoder(build(encoder.Config, preset["tokens"], "remi")).space.size == 419
    drawn = Sampling(**preset["sample"])
    assert (drawn.temperature, drawn.top_k, drawn.top_p, drawn.guidance) == (0.9, 40, 0.95, 3.0)
    assert (drawn.prompt_tokens, drawn.max_tokens) == (128, 2048)


def test_seed_000_ends_with_torchscript_and_a_memory_of_1024() -> None:
    preset = load_preset("seed-000")
    assert preset["export"] == ["torchscript"]
    assert Sampling(**preset["sample"]).memory == 1024


def test_invalid_keys_of_presets() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'seed-001'"):
        load_preset("seed-01")
    with pytest.raises(UnknownNameError, match="did you mean 'model'"):
        read_preset("[modle]\ndim = 3\n")
    with pytest.raises(UnknownNameError, match="did you mean 'warmup'"):
        read_preset("[train]\nwarmpu = 0.1\n")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_preset("[train", "mine.toml")
