"""The place of a bar in its piece."""

from __future__ import annotations

import numpy as np

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids

_VALUES = ("first", "opening", "middle", "closing", "last")
FIRST, OPENING, MIDDLE, CLOSING, LAST = range(1, 6)
_NEAR = 4  # bars that count as the opening, and as the closing


class Place(Control):
    """Where a bar is: so that pieces begin and end as pieces do.

    Planned for every piece, also where the user says nothing.
    """

    name = "place"
    values = _VALUES
    help = "Place in the piece: first, opening, middle, closing or last."

    def measure(self, bars: Bars) -> Ids:
        onsets = bars.notes.start
        end = int(bars.bar_of(onsets[-1:])[0]) + 1 if len(onsets) else len(bars)
        # Some tokenizers end a piece with an empty bar.
        return np.pad(_places(end, True), ((0, len(bars) - end), (0, 0)), mode="edge")

    def planned(self, bars: int, known: bool) -> Ids:
        return _places(bars, known)


def _places(bars: int, known: bool) -> Ids:
    """(N, 1) the place of each bar; without `known`, the end is not among them."""
    found = np.full((bars, 1), MIDDLE, np.uint8)
    found[:_NEAR] = OPENING
    if known:
        found[max(bars - _NEAR, _NEAR) :] = CLOSING
    found[:1] = FIRST
    if known:
        found[-1:] = LAST
    return found
