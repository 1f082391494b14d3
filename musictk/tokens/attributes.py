"""Attributes of tokens, such as metre and pitch. Constraints and samplers use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


def attributes_fault(attributes: Any, count: int) -> str:
    """What is wrong with the attributes of `count` tokens (of frames: columns); "" if nothing."""
    if not isinstance(attributes, Mapping):
        return "attributes() does not return a mapping"
    faults = (_fault(name, attribute, count) for name, attribute in attributes.items())
    return next(filter(None, faults), "")


def _fault(name: str, attribute: Any, count: int) -> str:
    what = f"the attribute {name!r}"
    if not isinstance(attribute, Attribute):
        return f"{what} is not an Attribute"
    values, states = attribute.values, attribute.states
    shape = (count, len(values))
    if not isinstance(states, np.ndarray):
        return f"the states of {what} are not an array"
    if states.dtype != np.bool_:
        return f"the states of {what} are {states.dtype} and not bool"
    if states.shape != shape:
        return f"the states of {what} are {states.shape} and not {shape}"
    if not all(isinstance(each, str) for each in values):
        return f"a value of {what} is not a string"
    if len(set(values)) < len(values):
        return f"two values of {what} have the same name"
    if name in (PITCH, RELEASE) and tuple(values) != MIDI_PITCHES:
        return f"the values of {what} are not MIDI_PITCHES"
    return ""
