"""Which tokens may follow, so that every sampled sequence is well formed.

A `Grammar` is shared and immutable; a `Parser` is the state of one row. Sampling calls `allowed()`
before every token and `advance(token)` after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Texture(NamedTuple):
    """The notes of the bar being written. Times are in quarter notes from the bar line.

    A note that has to follow counts as begun, so that one too many is noticed before it is due.
    """

    length: float  # of the bar
    time: float  # at which the next note would begin
    begun: int  # notes that begin in this bar, drums included
    due: bool  # one of them has to follow
    sounding: int  # pitched notes that sound at `time`
    lowest: int  # the MIDI pitch of the lowest of them; 128 where none sounds
    bass_end: float  # of the lowest if it began in this bar; inf while its end is not written
    held: int  # that sound on: into the next bar; where tokens end notes, as soon as time passes


class Parser(ABC):
    """The state of one row in a grammar."""

    @abstractmethod
    def allowed(self) -> NDArray[np.bool_]:
        """(V,) True where the token may come next; never all False. Do not write into it."""

    @abstractmethod
    def advance(self, token: int) -> None:
        """Update the state with `token`, even if `allowed()` forbids it."""

    @abstractmethod
    def fork(self) -> Parser:
        """An independent copy of this state."""

    def parts(self, token: int) -> list[Parser]:
        """The parsers after each part of a merged token; [] for other tokens."""
        return []

    def extent(self) -> tuple[float, float] | None:
        """(length of this bar, end of the notes so far), in quarter notes from the bar line.

        None where a note never lasts past the end of a piece, as where tokens end notes.
        """
        return None

    def texture(self) -> Texture | None:
        """The notes of this bar so far.

        None where the tokens do not say, so that the notes of a bar cannot be limited.
        """
        return None

    def voices(self, until: float) -> float:
        """The mean number of pitched notes that sound in this bar while any does.

        `until`: quarter notes from the bar line. 0 where nothing sounds.
        """
        return 0.0


class Grammar(ABC):
    """The rules of one tokenizer's sequences, from just after `bos`."""

    @abstractmethod
    def parser(self) -> Parser:
        """A parser at the start of a piece."""

    @property
    def fillers(self) -> frozenset[int]:
        """Tokens that later ones make redundant, such as a rest before a position.

        Their places follow from the grammar, so the same notes may have other fillers after other
        music.
        """
        return frozenset()
