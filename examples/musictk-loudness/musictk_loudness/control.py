"""How loud each bar is, from the mean velocity of its notes."""

from __future__ import annotations

import numpy as np

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids
from musictk.tokens import Tokenizer

LIMITS = (37, 51, 67, 83, 99)  # mean velocities that end pp, p, mp, mf and f


class Loudness(Control):
    """From pp to ff; a bar without notes has no loudness."""

    name = "loudness"
    values = ("pp", "p", "mp", "mf", "f", "ff")
    help = "How loud a bar is: pp, p, mp, mf, f or ff."

    def applies(self, tokenizer: Tokenizer) -> bool:
        return tokenizer.name != "pianoroll"  # frames have no velocities

    def measure(self, bars: Bars) -> Ids:
        bar = bars.bar_of(bars.notes.start)
        count = np.bincount(bar, minlength=len(bars))
        total = np.bincount(bar, bars.notes.velocity, minlength=len(bars))
        ids = np.searchsorted(LIMITS, total / np.maximum(count, 1)) + 1
        return np.where(count > 0, ids, 0).astype(np.uint8)[:, None]
