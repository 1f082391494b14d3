"""Arrays of indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranges(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, … n - 1 for each n of `counts`, one after the other: [2, 0, 3] -> [0, 1, 0, 1, 2]."""
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(before, counts)
