"""Classifier-free guidance and memory blending: several contexts' logits become one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


class Places(NamedTuple):
    """(R,) each: where in (L, V) logits every piece's c, u and m lie; -1 where it has none."""

    given: NDArray[np.int64]
    free: NDArray[np.int64]
    memory: NDArray[np.int64]


def guide(logits: Logits, places: Places, scale: float, weight: NDArray[np.float32]) -> Logits:
    """(L, V) logits of all contexts -> (R, V), one row per piece: `u + s (c - u) + w (m - c)`.

    A term without its context is left out. `scale` is s (Ho & Salimans 2022; in logits, Sanchez et
    al. 2023); `weight` (R,) is w: a blend for a theme's context, a contrast for one that forgets.
    """
    given, free, memory = places
    c = logits[given]
    mixed = c
    if (free >= 0).any():
        u = np.where((free >= 0)[:, None], logits[free], c)
        mixed = u + np.float32(scale) * (c - u)
    if (memory >= 0).any():
        w = np.where(memory >= 0, weight, np.float32(0))[:, None]
        mixed = mixed + w * (logits[memory] - c)
    return mixed
