"""Which tokens may follow, so that every sampled sequence is well formed.

A `Grammar` is shared and immutable; a `Parser` is the state of one row. Sampling calls `allowed()`
before every token and `advance(token)` after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


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

    def extent(self) -> tuple[float, float] | None:
        """(length of this bar, end of the notes so far), in quarter notes from the bar line.

        None where a note never lasts past the end of a piece, as where tokens end notes.
        """
        return None


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

    def accepts(self, sequence: NDArray[np.int64]) -> bool:
        """Whether every token of `sequence` (without bos and eos) is allowed at its place."""
        parser = self.parser()
        for token in sequence.tolist():
            if not parser.allowed()[token]:
                return False
            parser.advance(token)
        return True
