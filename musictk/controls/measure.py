"""Measure the bars of an encoded piece."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls import returned
from musictk.controls.bars import Bars
from musictk.controls.contract import Ids
from musictk.controls.controls import Controls
from musictk.tokens import Tokenizer


class BarFacts(NamedTuple):
    """N bars of a sequence: where each begins, and its ids."""

    starts: NDArray[np.int64]  # (N,) ascending positions
    ids: Ids  # (N, S)


def measure(tokenizer: Tokenizer, sequence: NDArray[Any], controls: Controls) -> BarFacts:
    """The bars of an encoded piece, measured on the music that the sequence decodes to.

    So the facts are those of what a model reads and writes, also where the tokenizer rounds.
    Raises MusictkError for a control that does not measure an id for each part of each bar.
    """
    starts = tokenizer.bar_starts(sequence)
    ids = np.zeros((len(starts), controls.width), np.uint8)
    piece = tokenizer.decode(sequence) if len(starts) and controls else ""
    if not isinstance(piece, str):
        bars = Bars.of(piece, len(starts))
        for control, columns in controls.items():
            ids[:, columns] = returned.measured(control, bars)
    return BarFacts(starts, ids)
