"""Weights of earlier versions load after modules were renamed."""

from __future__ import annotations

import torch

from musictk.model.network import Network
from musictk.model.renames import current_names
from musictk.testing.architectures import SPACES, tiny
from musictk_conformer.model import Conformer


def conformer() -> Network:
    return tiny(Conformer, SPACES[0], global_layers=(1,))


def test_the_conformers_old_names_load() -> None:
    torch.manual_seed(1)
    source, target = conformer(), conformer()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.normal_()
    stored = {
        name.replace(".global_attention.", ".everything.").replace(".residuals.", ".around."): value
        for name, value in source.state_dict().items()
    }
    assert sum(".everything." in name or ".around." in name for name in stored) > 10
    target.load_state_dict(stored)
    loaded = target.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in source.state_dict().items())


def test_the_optimizers_state_is_renamed_too() -> None:
    value = torch.zeros(1)
    found = current_names(conformer(), {"body.blocks.0.around.1.read/exp_avg": value})
    assert found == {"body.blocks.0.residuals.1.read/exp_avg": value}
