"""The settings that `train` chooses for an architecture."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.training.recipe import recipe_for
from musictk.training.settings import TrainSettings


@pytest.mark.parametrize("name", [offer.name for offer in registry().offers("architecture")])
@pytest.mark.parametrize("size", SIZES)
def test_every_value_is_valid(name: str, size: str) -> None:
    kind = registry().load("architecture", name)
    recipe = recipe_for(kind)
    assert config_for(kind, size, recipe.model)
    assert TrainSettings().but(**recipe.train).optimisation.optimizer == "muon"


def test_what_the_user_gives_is_kept() -> None:
    kind = registry().load("architecture", "gpt")
    recipe = recipe_for(kind, {"rotary": False}, {"warmup": 0.2})
    assert "rotary" not in recipe.model
    assert recipe.model["rmsnorm"] is True
    assert "warmup" not in recipe.train
    assert recipe.train["schedule"] == "wsd"
    assert recipe.train["averaging"] > 0
    assert recipe.train["short_rows"] > 0
    assert recipe.train["optimizer"] == "muon"


def test_another_optimizer_keeps_its_own_rate_and_decay() -> None:
    kind = registry().load("architecture", "gpt")
    assert recipe_for(kind, train={"optimizer": "adamw"}).train == {}


def test_an_architecture_without_these_settings_keeps_its_own() -> None:
    @dataclass(frozen=True)
    class Settings:
        dim: int = 8

    class Plain:
        name = "gpt"
        Config = Settings

    assert recipe_for(Plain).model == {}
