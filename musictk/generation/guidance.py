"""Classifier-free guidance and memory blending: several contexts' logits become one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


class ContextRows(NamedTuple):
    """(R,) each: the row of each piece's context in the (L, V) logits; -1 if it has none."""

    conditional: NDArray[np.int64]
    unconditional: NDArray[np.int64]
    memory: NDArray[np.int64]


def guide(logits: Logits, rows: ContextRows, scale: float, weight: NDArray[np.float32]) -> Logits:
    """(L, V) logits of all contexts -> (R, V), one row per piece: `u + s (c - u) + w (m - c)`.

    c, u and m are the logits under the conditions, without them, and from memory. A term without
    its context is left out. `scale` is s (Ho & Salimans 2022; in logits, Sanchez et al. 2023);
    `weight` (R,) is w: a blend for a theme's context, a contrast for one that begins with its
    section.
    """
    conditional, unconditional, memory = rows
    c = logits[conditional]
    mixed = c
    if (unconditional >= 0).any():
        u = np.where((unconditional >= 0)[:, None], logits[unconditional], c)
        mixed = u + np.float32(scale) * (c - u)
    if (memory >= 0).any():
        w = np.where(memory >= 0, weight, np.float32(0))[:, None]
        mixed = mixed + w * (logits[memory] - c)
    return mixed
