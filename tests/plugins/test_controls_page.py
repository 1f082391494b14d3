"""The controls that docs/plugins.md shows keep the laws, and do what the page says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

from musictk.controls import Bounds, Control
from musictk.testing import controls as laws
from musictk.tokens import PITCH
from tests.generation.pieces import tokenizer

from .scores import pieces

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
(BLOCK,) = (each for each in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "class Reg" in each)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, type[Control]]:
    """The controls of the page, as printed there."""
    path = tmp_path_factory.mktemp("page") / "shown.py"
    path.write_text(BLOCK, "utf-8")
    return run_path(str(path))


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
@pytest.mark.parametrize("control", ["Register", "Activity"])
def test_they_keep_the_laws(shown: Mapping[str, type[Control]], control: str, name: str) -> None:
    laws.check(shown[control](), tokenizer(name), pieces()[:2])


def test_the_register_is_parsed_and_enforced(shown: Mapping[str, type[Control]]) -> None:
    control, made = shown["Register"](), tokenizer("pianoroll")
    tenor = control.parse("Ten")
    assert tenor.tolist() == [2]
    for method, last in ((control.allowed, 127), (control.allowed_strictly, 59)):
        mask = method(made, tenor)
        assert mask is not None
        assert np.flatnonzero(mask).tolist() == list(range(48, last + 1))
    assert control.applies(made)
    assert PITCH in made.attributes()


def test_the_activity_is_planned_bounded_and_holds(shown: Mapping[str, type[Control]]) -> None:
    control = shown["Activity"]()
    planned = control.planned(3, True)
    assert planned is not None
    assert planned.tolist() == [[1], [0], [0]]
    chosen = np.array([[0], [2], [0], [1], [0]], np.uint8)
    assert control.complete(chosen, 0).tolist() == [[0], [2], [2], [1], [1]]
    assert control.bounds(control.parse("busy")) == Bounds(notes=(2, inf))
