from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from symusic import Score

from musictk.config import build
from musictk.errors import UnknownNameError
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.tokens.shards import open_shard, write_shard
from musictk.tokens.windows import Windows
from musictk.training.loop import train
from musictk.training.preset import load_preset, preset_names, read_preset
from musictk.training.settings import Settings

BACH = Path(__file__).parents[2] / "examples/midis/Bach"
SEEDS = [f"seed-00{number}" for number in range(5)]


def test_every_seed_has_its_preset() -> None:
    assert set(SEEDS) <= set(preset_names())


@pytest.mark.parametrize("name", SEEDS)
def test_a_preset_trains_for_some_steps(name: str, tmp_path: Path) -> None:
    """All of its settings but the size, on real music, through its own tokenizer."""
    preset = load_preset(name)
    encoder = registry().load("tokenizer", preset["tokenizer"])
    tokenizer = encoder(build(encoder.Config, preset.get("tokens", {}), encoder.name))
    pieces = [Score(path) for path in sorted(BACH.glob("*.mid"))[:3]]
    write_shard(tmp_path / "shard", tokenizer, enumerate(map(tokenizer.encode, pieces)))
    shard = open_shard(tmp_path / "shard")
    composers = np.array([[2]] * 3)
    data = Windows(shard, composers, np.ones(3), cache=preset.get("data", {}).get("cache", 0))
    kind = registry().load("architecture", preset["arch"])
    tiny = {**preset["model"], "dim": 32, "depth": 2, "heads": 2}
    body = kind(config_for(kind, None, tiny))
    conditions = Conditions({"composer": ("", "OTHER", "Bach")})
    torch.manual_seed(0)
    network = Network(body, tokenizer.space, conditions.sizes, NetworkConfig())
    manifest = bundle.describe(network, tokenizer, conditions, NetworkConfig())
    short = {"steps": 2, "length": 64, "batch": 2, "evaluate_batches": 1, "tensorboard": False}
    settings = Settings().but(**{**preset["train"], **short})
    outcome = train(settings, network, manifest, data, data, tmp_path / "run", device="cpu")
    assert outcome.step == 2
    assert outcome.best_nll is not None
    assert bundle.read(outcome.best)[1].make_tokenizer().fingerprint == tokenizer.fingerprint


def test_seed_001_is_as_published() -> None:
    preset = load_preset("seed-001")
    settings = Settings().but(**preset["train"])
    assert (settings.loop.batch, settings.loop.accumulation, settings.loop.length) == (2, 8, 8192)
    assert settings.optimisation.lr == 5e-4
    assert settings.optimisation.label_smoothing == 0.1
    assert settings.schedule.warmup == 0.05
    encoder = registry().load("tokenizer", "remi")
    assert encoder(build(encoder.Config, preset["tokens"], "remi")).space.size == 419


def test_what_a_preset_cannot_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'seed-001'"):
        load_preset("seed-01")
    with pytest.raises(UnknownNameError, match="did you mean 'model'"):
        read_preset("[modle]\ndim = 3\n")
    with pytest.raises(UnknownNameError, match="did you mean 'warmup'"):
        read_preset("[train]\nwarmpu = 0.1\n")
