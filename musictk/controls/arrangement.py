"""Controls that describe the arrangement of a row: what is given, and what is to be written.

They are not measured in music: `musictk.tokens.infill` and `musictk.tokens.beside` set them in
training, `BarPlan` in sampling.
"""

from __future__ import annotations

import numpy as np

from musictk.controls.bars import Bars
from musictk.controls.contract import Control, Ids
from musictk.tokens.infill import LONGEST

ROLE, REMAINING = "role", "remaining"
# Ids of the role: music after the bars to be written, and another part of the same bars.
AFTER, BESIDE = 1, 2
MOST = 16  # values of `Remaining`; those above `LONGEST` are in no row, but in older models


class Role(Control):
    """What a bar is: to be written, given although it comes later, or of a given part."""

    name = ROLE
    values = ("after", "beside")
    structural = True
    help = "Set when bars are rewritten, or written beside a given part: which bars are given."

    def measure(self, bars: Bars) -> Ids:
        return np.zeros((len(bars), 1), np.uint8)


class Remaining(Control):
    """How many bars are left to write before given music follows, from the bar itself on."""

    name = REMAINING
    values = tuple(str(count) for count in range(1, MOST + 1))
    structural = True
    help = "Set when bars are rewritten: how many are left."

    def measure(self, bars: Bars) -> Ids:
        return np.zeros((len(bars), 1), np.uint8)


def remaining(count: int) -> Ids:
    """(N,) the ids of `count` bars before given music; 0 of those that are far from it.

    As many are counted as there are in training.
    """
    left = np.arange(count, 0, -1)
    return np.where(left > LONGEST, 0, left).astype(np.uint8)
