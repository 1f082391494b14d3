"""The description of a space in a manifest gives the same space."""

from __future__ import annotations

import json

import pytest

from musictk.tokens import Frames, Space, Tokens, space_from, space_to


@pytest.mark.parametrize("space", [Tokens(444), Tokens(70_000, 3, 4, 5), Frames(), Frames(12)])
def test_a_space_comes_back_from_its_description(space: Space) -> None:
    assert space_from(json.loads(json.dumps(space_to(space)))) == space
