"""Features that values of a control share: see `Control.features`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scale_features(values: int, step: int) -> NDArray[np.float32]:
    """(values, F) for values in order, such as pitches: each lies between two of every `step`.

    A value's vector is interpolated between theirs, so that near values are alike.
    """
    place = np.arange(values) / step
    count = int(np.ceil(place[-1])) + 1
    return np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0).astype(np.float32)
