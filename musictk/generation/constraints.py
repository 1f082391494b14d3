"""Constraints on the attributes of tokens, such as the metre of a piece.

Each piece has its own constraints; `Mask` intersects them with the grammar. To add one: describe
the attribute in `Tokenizer.attributes`, add an option to `Sampling`, and return the constraint from
`constraints`. Frames are not constrained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.generation.metres import STEADY, find_metre
from musictk.generation.sampling import Sampling
from musictk.tokens import METRE, Attribute, Tokenizer


class Constraint(Protocol):
    """Limits the values of one attribute in one piece. Tokens without one are always allowed."""

    def allowed(self) -> NDArray[np.bool_] | None:
        """(V,) True where a token is allowed; None if all are. Do not write into it."""

    def advance(self, token: int) -> None:
        """Update the constraint with the token that was written."""


class Fixed:
    """Only the given values, throughout the piece."""

    def __init__(self, attribute: Attribute, values: Sequence[int]) -> None:
        self._allowed = attribute.within(values)

    def allowed(self) -> NDArray[np.bool_]:
        return self._allowed

    def advance(self, token: int) -> None:
        """The allowed values never change."""


class Steady:
    """Only the first value in the piece; with a prompt, the last value in the prompt."""

    def __init__(self, attribute: Attribute, prompt: NDArray[np.int64]) -> None:
        self._attribute = attribute
        self._stated = attribute.single()
        self._allowed: NDArray[np.bool_] | None = None
        values = self._stated[prompt]
        if (values >= 0).any():
            self._allowed = attribute.within([int(values[values >= 0][-1])])

    def allowed(self) -> NDArray[np.bool_] | None:
        return self._allowed

    def advance(self, token: int) -> None:
        if self._allowed is None and self._stated[token] >= 0:
            self._allowed = self._attribute.within([int(self._stated[token])])


def constraints(
    tokenizer: Tokenizer, sampling: Sampling, prompt: NDArray[Any], controlled: bool = False
) -> tuple[Constraint, ...]:
    """The constraints of one piece; `controlled` if bar controls give its metres.

    Raises UsageError for a metre that the vocabulary lacks.
    """
    found = [] if controlled else [_metre(tokenizer, sampling, prompt)]
    return tuple(each for each in found if each is not None)


def _metre(tokenizer: Tokenizer, sampling: Sampling, prompt: NDArray[Any]) -> Constraint | None:
    """The metre that was chosen, or that of the first bar; None if it may change."""
    chosen = find_metre(tokenizer, sampling.metre)
    attribute = tokenizer.attributes().get(METRE)
    if attribute is None or not attribute.values:
        return None
    if chosen is not None:
        return Fixed(attribute, [chosen])
    return Steady(attribute, prompt) if sampling.metre == STEADY else None
