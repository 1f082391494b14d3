"""Attributes of tokens, such as metre and pitch. Constraints and samplers use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METRE, PITCH, TEMPO = "metre", "pitch", "tempo"
PROGRAM, RELEASE = "program", "release"
MIDI_PITCHES = tuple(str(pitch) for pitch in range(128))


@dataclass(frozen=True, eq=False)
class Attribute:
    """N values, and which of them each of V tokens has (of frames: each of V bits).

    Most tokens have no value. A merged token of several notes or bars may have several.
    """

    values: tuple[str, ...]  # (N,) names, such as "3/4"
    states: NDArray[np.bool_]  # (V, N)

    @property
    def stated(self) -> NDArray[np.bool_]:
        """(V,) True where a token has a value."""
        return np.asarray(self.states.any(axis=1))

    @property
    def written(self) -> NDArray[np.int64]:
        """Ascending indices of the values that some token has."""
        return np.flatnonzero(self.states.any(axis=0))

    def within(self, values: Sequence[int]) -> NDArray[np.bool_]:
        """(V,) True where a token has no other values than these, which are given by index."""
        others = np.ones(len(self.values), bool)
        others[list(values)] = False
        return ~np.asarray(self.states[:, others].any(axis=1))

    def single(self) -> NDArray[np.int64]:
        """(V,) index of the value where a token has exactly one; else -1."""
        found = np.full(len(self.states), -1, np.int64)
        tokens, values = np.nonzero(self.states & (self.states.sum(axis=1) == 1)[:, None])
        found[tokens] = values
        return found
