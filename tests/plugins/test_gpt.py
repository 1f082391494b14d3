"""GPT-2 and its options."""

from __future__ import annotations

from typing import Any

import pytest

from musictk.errors import UsageError
from musictk.model.cost import parameters
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.testing.architectures import LAWS, SPACES, Law, tiny
from musictk.tokens import Space, Tokens
from musictk_gpt.model import GPT, GPTConfig

VARIANTS: dict[str, dict[str, Any]] = {
    "published": {},
    "modern": {"rotary": True, "rmsnorm": True, "swiglu": True, "qk_norm": True},
    "value residual": {"value_residual": True, "rotary": True},
    "grid": {"rotary": True, "history": 5, "periods": (3, 4), "attention_dropout": False},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, space: Space, options: dict[str, Any]) -> None:
    law(tiny(GPT, space, max_length=1024, **options), space)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": 30, "heads": 4}, "heads=4 must be a divisor of dim=30"),
        ({"dim": 36, "heads": 4, "rotary": True}, "dim=36 .* even number times heads=4"),
        ({"depth": 0}, "depth=0"),
        ({"heads": 0}, "heads=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"dropout": float("nan")}, "dropout=nan"),
        ({"max_length": 0}, "max_length=0"),
        ({"history": 0}, "history=0"),
        ({"periods": (4, 1)}, "periods=\\(4, 1\\)"),
    ],
)
def test_an_invalid_setting_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"setting of gpt {message}"):
        config_for(GPT, "tiny", values)


def test_as_large_as_published() -> None:
    composers = {"composer": 300}
    network = Network(
        GPT(GPTConfig()), Tokens(419), composers, NetworkConfig(tied=True, condition_logits=False)
    )
    assert parameters(network) == pytest.approx(29.8e6, rel=0.005)
