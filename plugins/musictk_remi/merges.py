"""Byte-pair merges of REMI tokens (Fradet et al. 2023), within bars, and the grammar over them.

A base id is written as one character; the learned state is a `tokenizers` BPE model as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Model
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from musictk.errors import MusictkError
from musictk.tokens import Grammar, Parser, Texture
from musictk.tokens.metrics import Metre
from musictk_remi.grammar import RemiGrammar
from musictk_remi.merge_bounds import Bounds
from musictk_remi.parser import ParserState, RemiParser

_FIRST = 0x4E00  # base id 0 as a character; letters from here on are never normalised


class Merges:
    """A vocabulary of `base` ids and of runs of them, learned from music."""

    def __init__(self, base: int, bar: int, learned: str) -> None:
        try:
            self._model = Model.from_str(learned)
        except Exception as error:  # tokenizers raises Exception itself
            raise MusictkError(f"the learned merges cannot be read: {error}") from error
        vocabulary: dict[str, int] = self._model.get_vocab()
        self.texts = sorted(vocabulary, key=vocabulary.__getitem__)
        if self.texts[:base] != [chr(_FIRST + index) for index in range(base)]:
            raise MusictkError("the learned merges belong to other settings of remi")
        self.bar = bar
        self.runs = [np.array([ord(c) - _FIRST for c in text]) for text in self.texts]
        self.starts_bar = np.array([run[0] == bar for run in self.runs])  # (V,)

    @staticmethod
    def learn(sequences: Iterable[NDArray[np.int64]], base: int, bar: int, size: int) -> str:
        """Merge the most frequent pairs within bars until there are `size` ids."""
        model = Model(BPE())
        alphabet = [chr(_FIRST + index) for index in range(base)]
        trainer = BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
        words = (word for sequence in sequences for word in _words(sequence, bar))
        model.train_from_iterator(words, trainer)
        return str(model.to_str())

    def encode(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Base ids -> merged ids."""
        words = list(_words(ids, self.bar))
        return np.array(self._model.encode(words, is_pretokenized=True).ids, np.int64)

    def decode(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """Merged ids -> base ids."""
        runs = [self.runs[index] for index in ids.tolist() if 0 <= index < len(self.runs)]
        return np.concatenate([np.zeros(0, np.int64), *runs])


class MergedGrammar(Grammar):
    """The base grammar over merged tokens: a token may follow where all of its base tokens may.

    A piece has several encodings then; `Merges.encode` writes one of them.
    """

    def __init__(self, base: RemiGrammar, runs: Sequence[NDArray[np.int64]]) -> None:
        self.base = base
        self.runs = [run.tolist() for run in runs]
        self.first = np.array([run[0] for run in self.runs])  # (V,)
        self._bounds: dict[tuple[Metre, bool, bool], Bounds] = {}

    def parser(self) -> MergedParser:
        return MergedParser(self, self.base.parser())

    @property
    def fillers(self) -> frozenset[int]:
        """Rests, unmerged."""
        return self.base.fillers

    def bounds(self, at: ParserState) -> Bounds:
        """What the runs require; read when a metre occurs first."""
        key = at.metre, at.opening, at.alone
        if key not in self._bounds:
            self._bounds[key] = Bounds(self.base, self.runs, at)
        return self._bounds[key]


class MergedParser(Parser):
    """A base parser that takes each merged token part by part."""

    def __init__(self, grammar: MergedGrammar, base: RemiParser) -> None:
        self._grammar, self._base = grammar, base

    def allowed(self) -> NDArray[np.bool_]:
        grammar, state = self._grammar, self._base.state()
        allowed = grammar.bounds(state).keep(state)
        allowed &= self._base.allowed()[grammar.first]
        return allowed

    def advance(self, token: int) -> None:
        runs = self._grammar.runs
        for part in runs[token] if 0 <= token < len(runs) else ():
            self._base.advance(part)

    def parts(self, token: int) -> list[Parser]:
        parser, found = self._base, []
        for part in self._grammar.runs[token]:
            parser = parser.fork()
            parser.advance(part)
            found.append(parser)
        return list(found)

    def extent(self) -> tuple[float, float]:
        return self._base.extent()

    def texture(self) -> Texture:
        return self._base.texture()

    def voices(self, until: float) -> float:
        return self._base.voices(until)

    def fork(self) -> MergedParser:
        return MergedParser(self._grammar, self._base.fork())


def _words(ids: NDArray[np.int64], bar: int) -> Iterator[str]:
    """The bars of a sequence as strings."""
    for part in np.split(ids, np.flatnonzero(ids == bar)):
        if len(part):
            yield "".join(chr(_FIRST + index) for index in part.tolist())
