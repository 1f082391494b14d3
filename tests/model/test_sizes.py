"""Model sizes."""

from __future__ import annotations

import pytest

from musictk.model.cost import matmul_weights
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry


@pytest.mark.parametrize("name", ["gpt", "conformer", "relative", "roll"])
def test_feedforward_is_a_multiple_of_dim(name: str) -> None:
    """Two matrices each; a conformer has two half feed-forwards in each block."""
    kind = registry().load("architecture", name)
    usual, slim = (matmul_weights(kind, config_for(kind, "tiny", each)) for each in ({}, SLIM))
    dim, depth = SIZES["tiny"]["dim"], SIZES["tiny"]["depth"]
    halves = 2 if name == "conformer" else 1
    assert usual - slim == halves * depth * 2 * (4 - 2) * dim**2


SLIM = {"feedforward": 2}
