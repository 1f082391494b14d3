"""Measure the bars of an encoded piece."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls.bars import Bars
from musictk.controls.contract import Control, Ids
from musictk.controls.controls import Controls
from musictk.errors import MusictkError
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
            ids[:, columns] = _measured(control, bars)
    return BarFacts(starts, ids)


def _measured(control: Control, bars: Bars) -> Ids:
    """What a control measures. Raises MusictkError naming it if this is not an id of each part."""
    found, shape = np.asarray(control.measure(bars)), (len(bars), control.parts)
    if found.shape != shape:
        fault = f"measured shape {found.shape} where {shape} is needed, (bars, parts)"
    elif found.dtype.kind not in "ui":
        fault = f"measured {found.dtype} where uint8 is needed"
    elif found.size and not 0 <= found.min() <= found.max() <= len(control.values):
        wrong = int(found.max() if found.min() >= 0 else found.min())
        fault = f"measured the id {wrong} where it has {len(control.values)} values"
    else:
        return found.astype(np.uint8)
    hint = "check its plugin with musictk.testing.controls"
    raise MusictkError(f"control {control.name!r} {fault}", hint)
