"""Labels and mixtures as text."""

from __future__ import annotations

import pytest

from musictk.errors import UsageError
from musictk.jobs.mixture import mixture

KNOWN = {"Bach", "Chopin", "Bach, Johann Sebastian", "Opus: Two", "X:2", "calm, slow"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Bach", {"Bach": 1}),
        ("Bach:0.6,Chopin:0.4", {"Bach": 0.6, "Chopin": 0.4}),
        ("Bach:2, Chopin:1", {"Bach": 2, "Chopin": 1}),
        ("Bach,Chopin", {"Bach": 1, "Chopin": 1}),
        ("Bach, Johann Sebastian", {"Bach, Johann Sebastian": 1}),
        ("Bach, Johann Sebastian:0.6,Chopin:.4", {"Bach, Johann Sebastian": 0.6, "Chopin": 0.4}),
        ("Opus: Two", {"Opus: Two": 1}),
        ("Opus: Two:0.5,calm, slow:0.5", {"Opus: Two": 0.5, "calm, slow": 0.5}),
        ("Opus: Two,Bach", {"Opus: Two": 1, "Bach": 1}),
        ("X:2", {"X:2": 1}),
        ("Nobody:2", {"Nobody": 2}),
    ],
)
def test_labels_and_weights(text: str, labels: dict[str, float]) -> None:
    assert dict(mixture(text, lambda name: name if name in KNOWN else None)) == labels


def test_an_invalid_mixture_gives_the_valid_format() -> None:
    with pytest.raises(UsageError, match="'Nobody:x' is not LABEL:WEIGHT"):
        mixture("Nobody:x", lambda name: None)
