"""Music Transformer and its vanilla baseline."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from musictk.errors import UsageError
from musictk.model.inspect import attention_maps
from musictk.model.sizes import config_for
from musictk.testing.architectures import LAWS, SPACES, Law, tiny
from musictk.tokens import Space, Tokens
from musictk_relative.model import Relative

VARIANTS: dict[str, dict[str, Any]] = {
    "relative": {},
    "few distances": {"distances": 13},
    "vanilla baseline": {"relative": False},
    "grid": {"history": 5, "periods": (3, 4)},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, space: Space, options: dict[str, Any]) -> None:
    if law.__name__ == "gradients":
        options = {"distances": 8} | options  # so that every distance occurs
    law(tiny(Relative, space, **options), space)


def test_an_invalid_setting_is_named() -> None:
    with pytest.raises(UsageError, match="setting of relative distances=0 must be above 0"):
        config_for(Relative, "tiny", {"distances": 0})
    odd = {"dim": 33, "heads": 3}
    with pytest.raises(UsageError, match="setting of relative dim=33 must be even"):
        config_for(Relative, "tiny", {"relative": False, **odd})
    assert config_for(Relative, "tiny", odd).dim == 33


def test_attention_depends_on_distance_and_in_the_baseline_on_position() -> None:
    """On a constant sequence only positions differ: rows of the map are shifts of each other."""
    for relative in (True, False):
        network = tiny(Relative, Tokens(61), relative=relative)
        condition = torch.zeros(1, 1, network.body.dim)
        maps = attention_maps(network, torch.full((1, 40), 5), condition)
        logits = maps[0].clamp(min=1e-9).log()
        # The ratio of the weights at distances 3 and 7 must not depend on the position.
        contrast = logits.diagonal(-3, 1, 2)[:, 4:] - logits.diagonal(-7, 1, 2)
        spread = (contrast - contrast.mean(1, keepdim=True)).abs().max().item()
        assert (spread < 1e-4) == relative
