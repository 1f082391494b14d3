"""Labels and their mixtures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from musictk.errors import UnknownNameError, UsageError
from musictk.model.conditions import Conditions

KNOWN = Conditions({"composer": ("", "OTHER", "Bach", "Chopin")}, {"composer": ("Satie",)})


def test_weights_are_relative() -> None:
    one = KNOWN.mixture({"composer": [("Bach", 3), ("satie", 1)]})
    assert one == [[(2, 0.75), (1, 0.25)]]
    assert one == KNOWN.mixture({"composer": [("Bach", 6), ("Satie", 2)]})
    assert KNOWN.mixture({}) == [[]]


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_weight_that_cannot_be_mixed_names_its_label(weight: float) -> None:
    with pytest.raises(UsageError, match=f"composer Chopin:{weight:g} .* above 0"):
        KNOWN.mixture({"composer": [("Bach", 1.0), ("Chopin", weight)]})


def test_a_label_never_seen_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'Bach'"):
        KNOWN.mixture({"composer": [("Bahc", 1.0)]})


def test_a_composer_brings_the_labels_of_most_of_his_pieces() -> None:
    usual = {"Bach": {"period": "Baroque", "ensemble": "organ"}, "Satie": {}}
    known = replace(KNOWN, usual=usual)
    assert known.completed({"composer": [("bach", 1.0)]}) == usual["Bach"]
    given = {"period": [("Modern", 1.0)], "composer": [("Bach", 1.0)]}
    assert known.completed(given) == {"ensemble": "organ"}
    assert known.completed({"period": [("Baroque", 1.0)]}) == {}
    assert known.completed({"composer": [("Satie", 1.0)]}) == {}
    assert Conditions.read(known.plain()) == known
