"""The Control contract: one fact about each bar, which a model is conditioned on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls.bars import Bars
from musictk.errors import UnknownNameError
from musictk.tokens import Tokenizer

Ids = NDArray[np.uint8]


class Bounds(NamedTuple):
    """Limits of what a bar may have, both ends included."""

    notes: tuple[float, float] = (0.0, inf)  # that begin in it, per quarter note
    voices: tuple[float, float] = (0.0, inf)  # the least mean, and the most notes at once
    bass: tuple[int, ...] | None = None  # pitches: wherever a note begins, the lowest is one


class Control(ABC):
    """A fact about each bar, such as its key: measured in training, chosen in sampling.

    A fact is an id: 0 is "not given", id i is `values[i - 1]`. A control with `parts` above 1 has
    that many facts for each bar, such as a chord for each half. A subclass sets `name` and `values`
    and implements `measure`; what else there is has a default. It is made without arguments.
    """

    name: ClassVar[str]  # as the user writes it
    values: ClassVar[Sequence[str]]  # at most 255; the words that the user writes
    parts: ClassVar[int] = 1
    structural: ClassVar[bool] = False  # set by the arrangement of a row; users do not choose it
    help: ClassVar[str] = ""

    @abstractmethod
    def measure(self, bars: Bars) -> Ids:
        """(N, parts) ids of each bar; 0 where the music does not say.

        `bars` are the whole piece, so that an id may depend on bars around it or on their number.
        """

    def applies(self, tokenizer: Tokenizer) -> bool:
        """Whether sequences of this tokenizer have this fact."""
        return True

    def transpose(self, ids: Ids, semitones: int) -> Ids:
        """The ids (…, parts) of the same music, transposed; 0 where they do not follow from `ids`.

        Such as bands of pitch: of music in one band, a semitone higher may be in the next.
        """
        return ids

    def planned(self, bars: int, known: bool) -> Ids | None:
        """(bars, parts) ids of a piece where the user chose none; None to leave it open.

        `known`: whether the piece ends with the last of these bars.
        """
        return None

    def features(self) -> NDArray[np.float32]:
        """(values, F) what values have in common, such as the tones of chords.

        The vector of a value is a sum of F learned ones, weighted by its row, so that values that
        are alike are learned together. By default each value has a vector to itself.
        """
        return np.eye(len(self.values), dtype=np.float32)

    def parse(self, text: str) -> Ids:
        """(parts,) ids of what the user wrote for one bar. Raises UnknownNameError."""
        folded = {value.casefold(): index for index, value in enumerate(self.values, 1)}
        index = folded.get(text.strip().casefold())
        if index is None:
            raise UnknownNameError(self.name, text.strip(), self.values)
        return np.full(self.parts, index, np.uint8)

    def allowed(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        """(V,) True where a token (of frames: a pitch) may be written in a bar with these ids.

        None where nothing is enforced: then the model is only conditioned on the fact.
        """
        return None

    def allowed_strictly(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        """The same where the user asks for strict controls (`sample --strict`)."""
        return self.allowed(tokenizer, ids)

    def nearest(self, tokenizer: Tokenizer, text: str) -> str | None:
        """The value that is written in a bar for which the user wrote `text`.

        One of the values of the tokenizer's attribute of this name, among those that `allowed`
        leaves, where it tells more of them apart than there are ids. None: any that are allowed.
        """
        return None

    def simplified(self, text: str) -> str:
        """What the model is given for a text that has more than a value, such as "C" for "Cmaj7".

        "" where the value has all of it.
        """
        return ""

    def closing(self, key: int) -> Ids | None:
        """(parts,) ids of the last bar of a piece in a key, where the user chose none.

        `key` is an index in `musictk.keys.KEYS`. None: nothing is asked of the last bar.
        """
        return None

    def roots(self, ids: Ids) -> tuple[int, ...] | None:
        """The roots of the chords of a bar with these ids, as pitch classes, in order.

        None for a control that is not about chords.
        """
        return None

    def bounds(self, ids: Ids) -> Bounds:
        """What is enforced of the number of notes of a bar with these ids; by default nothing."""
        return Bounds()

    def complete(self, ids: Ids, given: int) -> Ids:
        """The ids (N, parts) of a piece of which the user chose some.

        The first `given` are of bars that are written already. Raises UsageError for values that
        cannot follow each other.
        """
        return ids
