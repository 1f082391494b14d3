"""Order notes by pitch, without those that repeat another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def distinct(onset: Ints, end: Ints, pitch: Ints) -> Ints:
    """The indices of the notes by pitch and onset; of those with equal ones only the longest.

    Of equally long notes the first counts. `onset` and `end` are (N,) ticks of a grid.
    """
    bits = len(onset).bit_length()
    span = int(onset.max()).bit_length()
    # One key of integers is sorted several times as fast as two columns.
    key = ((pitch << span | onset) << bits) | np.arange(len(onset))
    key.sort()
    note = key >> bits
    if (note[1:] != note[:-1]).all():
        return key & ((1 << bits) - 1)
    order = np.lexsort((-end, onset, pitch))
    fresh = np.ones(len(order), np.bool_)
    np.not_equal(note[1:], note[:-1], out=fresh[1:])
    return order[fresh]
