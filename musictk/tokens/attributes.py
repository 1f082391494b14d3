"""What tokens state about the music, such as a metre or pitches: what a constraint can limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METRE, PITCH = "metre", "pitch"
MIDI_PITCHES = tuple(str(pitch) for pitch in range(128))


@dataclass(frozen=True, eq=False)
class Attribute:
    """N values, and which of them each of V tokens states (of frames: each of V bits).

    Most tokens state none. One that stands for several notes or bars may state several.
    """

    values: tuple[str, ...]  # (N,) names, such as "3/4"
    states: NDArray[np.bool_]  # (V, N)

    @property
    def stated(self) -> NDArray[np.bool_]:
        """(V,) True where a token states a value."""
        return np.asarray(self.states.any(axis=1))

    def within(self, values: Sequence[int]) -> NDArray[np.bool_]:
        """(V,) True where a token states no value but these, which are given by index."""
        others = np.ones(len(self.values), bool)
        others[list(values)] = False
        return ~np.asarray(self.states[:, others].any(axis=1))

    def single(self) -> NDArray[np.int64]:
        """(V,) index of the value where a token states exactly one; else -1."""
        found = np.full(len(self.states), -1, np.int64)
        tokens, values = np.nonzero(self.states & (self.states.sum(axis=1) == 1)[:, None])
        found[tokens] = values
        return found
