"""What the conformer gives to the exporter computes what was trained, in every chunking."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from musictk_conformer.config import ConformerConfig
from musictk_conformer.model import Conformer

SETTINGS: list[dict[str, Any]] = [
    {},
    {"streams": 1, "kernel": 3},
    {"qk_norm": False, "windows": (8,)},
    {"dynamic_bias": True, "global_layers": (1,), "windows": (8, 32)},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_computes_what_was_trained(settings: dict[str, Any]) -> None:
    torch.manual_seed(1)
    small: dict[str, Any] = {
        "dim": 32,
        "depth": 2,
        "heads": 2,
        "max_length": 300,
        "windows": (16, 64),
    }
    trained = Conformer(ConformerConfig(**small | settings)).eval()
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
        exported = trained.for_export().eval()
        before = {name: value.clone() for name, value in trained.state_dict().items()}
        ours, theirs = exported.begin(2, 300), trained.begin(2, 300)
        # Outside an export, the mask of a learned bias is for blocks of at most one window.
        chunks = (7, 1, 8, 1, 1, 5) if settings.get("dynamic_bias") else (70, 1, 130, 1, 1, 17)
        for length in chunks:
            x = torch.randn(2, length, 32)
            (found, ours), (wanted, theirs) = exported(x, ours), trained(x, theirs)
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, before[name]), name
