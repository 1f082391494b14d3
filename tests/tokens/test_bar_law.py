"""The law of bar starts finds bars that are not those of the music."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.ingest.load import read_music
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.testing.tokenizers import check_bar_starts

PIECE = Path(__file__).parents[2] / "examples" / "midis" / "Bach" / "musette_anh126.mid"
Remi: Any = registry().load("tokenizer", "remi")


class Dense(Remi):  # type: ignore[misc]
    """A bar begins where one does, and once more before the next."""

    def bar_starts(self, sequence: NDArray[Any]) -> Any:
        starts = super().bar_starts(sequence)
        return np.union1d(starts, (starts[:-1] + starts[1:]) // 2)


class Sparse(Remi):  # type: ignore[misc]
    """Every other bar."""

    def bar_starts(self, sequence: NDArray[Any]) -> Any:
        return super().bar_starts(sequence)[::2]


class Listed(Remi):  # type: ignore[misc]
    """No array."""

    def bar_starts(self, sequence: NDArray[Any]) -> Any:
        return super().bar_starts(sequence).tolist()


class Fractions(Remi):  # type: ignore[misc]
    """No integers."""

    def bar_starts(self, sequence: NDArray[Any]) -> Any:
        return super().bar_starts(sequence) * 1.0


class Odd(Remi):  # type: ignore[misc]
    """A kind of file that is misspelt."""

    reads = frozenset({"mid"})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Dense, "notes, and .* end before it"),
        (Sparse, "notes after its bar line"),
        (Listed, "bar_starts gives list, no array"),
        (Fractions, "bar_starts gives float64 and not integers"),
        (Odd, "reads has other kinds of file"),
    ],
)
def test_bars_that_are_not_those_of_the_music_are_named(kind: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_bar_starts(make_component(kind, {}), [read_music(PIECE)[1]])
