"""Which tokens may follow: what keeps every sampled sequence well formed.

A `Grammar` is shared and immutable; a `Parser` is one row's place in it. The sampling loop asks
`allowed()` before every token and calls `advance(token)` after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Parser(ABC):
    """One row's place in a grammar."""

    @abstractmethod
    def allowed(self) -> NDArray[np.bool_]:
        """(V,) True where the token may come next; never all False. Do not write into it."""

    @abstractmethod
    def advance(self, token: int) -> None:
        """Take `token`. One that `allowed()` refuses is taken too, at a sensible place."""

    @abstractmethod
    def fork(self) -> Parser:
        """An independent copy at the same place."""


class Grammar(ABC):
    """The rules of one tokenizer's sequences, from just after `bos`."""

    @abstractmethod
    def parser(self) -> Parser:
        """A parser at the start of a piece."""

    @property
    def fillers(self) -> frozenset[int]:
        """Plain tokens that later ones make redundant, such as a rest before a position.

        Rules alone say where they stand, so that the same notes need others after other music.
        """
        return frozenset()

    def accepts(self, sequence: NDArray[np.int64]) -> bool:
        """Whether every token of `sequence` (without bos, eos) may stand where it stands."""
        parser = self.parser()
        for token in sequence.tolist():
            if not parser.allowed()[token]:
                return False
            parser.advance(token)
        return True
