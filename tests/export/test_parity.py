"""Law 3, for every registered architecture in both spaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from musictk.model.windowed import MIN_EXPORTED_WINDOW
from musictk.plugin import registry
from musictk.testing.exports import check_parity
from musictk.tokens import Frames, Space, Tokens

SMALL = {"dim": 32, "depth": 1, "heads": 2}  # exporting takes a second or two per layer


@pytest.mark.parametrize("space", [Tokens(61), Frames(16)], ids=["tokens", "frames"])
@pytest.mark.parametrize("name", [offer.name for offer in registry().offers("architecture")])
def test_three_runtimes_agree(name: str, space: Space, tmp_path: Path) -> None:
    check_parity(name, space, tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("gpt", {"rotary": True, "rmsnorm": True, "swiglu": True, "qk_norm": True}),
        ("gpt", {"history": 5, "periods": (3, 16), "value_residual": True}),
        ("relative", {"history": 5, "periods": (3, 16)}),
        ("roll", {"history": 5}),
        ("conformer", {"dynamic_bias": True, "global_layers": (1,), "windows": (8, 32)}),
        ("conformer", {"depth": 1, "windows": (MIN_EXPORTED_WINDOW,)}),
    ],
)
def test_with_every_option_on(name: str, setting: dict[str, object], tmp_path: Path) -> None:
    check_parity(name, Tokens(61), tmp_path, **SMALL | {"depth": 2} | setting)
