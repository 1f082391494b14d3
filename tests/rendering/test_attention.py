from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from musictk.errors import MusictkError
from musictk.rendering import attention


def test_a_map_for_each_layer_and_head(tmp_path: Path) -> None:
    weights = np.tril(np.random.default_rng(0).random((2, 8, 8)))
    attention.draw([weights, weights, weights], tmp_path / "three.png", bar_lines=[0, 4])
    attention.draw([weights], tmp_path / "one.png")
    three, one = imread(tmp_path / "three.png"), imread(tmp_path / "one.png")
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] > 2 * one.shape[0]


def test_no_maps_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match="no attention"):
        attention.draw([], tmp_path / "none.png")
