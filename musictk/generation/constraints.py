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

from musictk.errors import UsageError
from musictk.generation.metres import STEADY, find_metre
from musictk.generation.sampling import Sampling
from musictk.instruments import DRUM_KIT, find_programs, instrument_name
from musictk.tokens import METRE, PROGRAM, Attribute, Tokenizer

PROGRAMS = "programs"  # chosen for some bars as a control is, but not learned
TRAIN_PROGRAMS = "train one that does: musictk train --tokenizer remi --set tokens.programs=true"


class Constraint(Protocol):
    """Limits the values of one attribute in one piece. Tokens without one are always allowed."""

    control: str  # bars where the user chose this control are not limited; "": all are

    def allowed(self) -> NDArray[np.bool_] | None:
        """(V,) True where a token is allowed; None if all are. Do not write into it."""

    def advance(self, token: int) -> None:
        """Update the constraint with the token that was written."""


class Fixed:
    """Only the given values, throughout the piece."""

    def __init__(self, attribute: Attribute, values: Sequence[int], control: str = "") -> None:
        self._allowed, self.control = attribute.within(values), control

    def allowed(self) -> NDArray[np.bool_]:
        return self._allowed

    def advance(self, token: int) -> None:
        """The allowed values never change."""


class Steady:
    """Only the first value in the piece; with a prompt, the last value in the prompt."""

    def __init__(self, attribute: Attribute, prompt: NDArray[np.int64], control: str = "") -> None:
        self._attribute, self.control = attribute, control
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
    tokenizer: Tokenizer, sampling: Sampling, prompt: NDArray[Any]
) -> tuple[Constraint, ...]:
    """The constraints of one piece.

    Raises UsageError for a metre or an instrument that the vocabulary lacks.
    """
    found = [_metre(tokenizer, sampling, prompt), _programs(tokenizer, sampling)]
    return tuple(each for each in found if each is not None)


def _metre(tokenizer: Tokenizer, sampling: Sampling, prompt: NDArray[Any]) -> Constraint | None:
    """The metre that was chosen, or that of the first bar; None if it may change."""
    chosen = find_metre(tokenizer, sampling.metre)
    attribute = tokenizer.attributes().get(METRE)
    if attribute is None or not attribute.values:
        return None
    if chosen is not None:
        return Fixed(attribute, [chosen], METRE)
    return Steady(attribute, prompt, METRE) if sampling.metre == STEADY else None


def _programs(tokenizer: Tokenizer, sampling: Sampling) -> Constraint | None:
    """The instruments that were chosen; None if all may be written."""
    if not find_programs(sampling.programs):
        return None
    attribute, values = program_values(tokenizer, sampling.programs)
    return Fixed(attribute, values, PROGRAMS)


def program_values(tokenizer: Tokenizer, text: str) -> tuple[Attribute, list[int]]:
    """The attribute of instruments, and which of its values `text` names.

    Raises UsageError where the vocabulary has none of them.
    """
    wanted = find_programs(text)
    attribute = tokenizer.attributes().get(PROGRAM)
    if attribute is None:
        raise UsageError(
            f"--programs {text} has no effect: this model writes no instruments",
            TRAIN_PROGRAMS,
        )
    names = {"drums" if program == DRUM_KIT else str(program) for program in wanted}
    known = [index for index, name in enumerate(attribute.values) if name in names]
    if not known:
        raise UsageError(
            f"this model has none of the instruments {text!r}",
            f"it has: {', '.join(map(_instrument, attribute.values))}",
        )
    return attribute, known


def writes_drums(tokenizer: Tokenizer) -> bool:
    """Whether a model of these tokens can write drums."""
    attribute = tokenizer.attributes().get(PROGRAM)
    return attribute is not None and "drums" in attribute.values


def _instrument(value: str) -> str:
    return instrument_name(int(value)) if value.isdecimal() else value
