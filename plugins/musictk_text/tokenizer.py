"""`text`: byte-level byte-pair tokens (Sennrich et al. 2016; Radford et al. 2019)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Model
from tokenizers import decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from musictk.config import check_settings, setting
from musictk.errors import MusictkError
from musictk.tokens import Piece, Tokenizer, Tokens

_BYTES = 256
# Of ABC 2.1, 3: a letter and a colon, or a comment, line by line; the last may be unfinished.
_HEADER = re.compile(r"(?:(?:[A-Za-z]:|%)[^\n]*(?:\n|$))+")
_LINE = "\n"
_SPECIALS = Tokens.ordinary  # ids before those of the byte-pair model: pad, bos and eos
# The byte that each character of the byte-level alphabet represents (Radford et al. 2019).
_PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))
_OTHERS = (byte for byte in range(_BYTES) if byte not in _PRINTABLE)
_BYTE = {chr(byte): byte for byte in _PRINTABLE} | {
    chr(_BYTES + index): byte for index, byte in enumerate(_OTHERS)
}


@dataclass(frozen=True)
class TextConfig:
    """The vocabulary size, and what ends a bar."""

    size: int = setting(
        2000,
        "Vocabulary size after byte-pair merges, with pad, bos and eos.",
        low=_SPECIALS + _BYTES,
    )
    bar: Literal["auto", "|", "line"] = setting(
        "auto",
        "What ends a bar: | as in ABC notation, the end of a line, or what most texts have (auto).",
    )

    def __post_init__(self) -> None:
        check_settings(self, "text")


class Text(Tokenizer):
    """Text files and ABC notation, in single bytes where nothing longer was learned.

    `decode(encode(text)) == text`; ids that are not valid UTF-8 decode with U+FFFD.
    """

    Config = TextConfig
    name = "text"
    reads = frozenset({"text", "abc"})
    learns = True

    def __init__(self, config: TextConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self._model = None if learned is None else _read(learned)
        self._end = "|" if learned is None else _end_of_bar(learned)
        pieces = self._model.get_vocab_size() if self._model else config.size - _SPECIALS
        self._size = _SPECIALS + pieces
        self.space = Tokens(self._size)
        texts = [self._model.decode([index]) for index in range(pieces)] if self._model else []
        self._texts = [*("" for _ in range(_SPECIALS)), *texts]
        self._ends_bar = np.array([self._end in text for text in self._texts])

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        if not isinstance(piece, str):
            raise ValueError("text reads text, not music")
        if not piece:
            raise ValueError("the text is empty")
        return np.array(self._trained().encode(piece).ids, np.int64) + _SPECIALS

    def decode(self, sequence: NDArray[Any]) -> str:
        ids = np.asarray(sequence, np.int64) - _SPECIALS
        known = ids[(ids >= 0) & (ids < self._size - _SPECIALS)]
        return str(self._trained().decode(known.tolist()))

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        """After the header of a tune, and wherever one bar has ended and the next has begun."""
        ids = np.asarray(sequence, np.int64)
        ends = self._ends_bar[ids]
        begins = np.append(False, ends[:-1] & ~ends[1:])[: len(ends)]
        first = self._header(ids)
        begins[:first], begins[first : first + 1] = False, True
        return np.flatnonzero(begins)

    def _header(self, ids: NDArray[np.int64]) -> int:
        """How many tokens the information fields and comments before the music take."""
        if self._end == _LINE:
            return 0
        texts = [self._texts[index] for index in ids.tolist()]
        header = _HEADER.match("".join(texts))
        ends = np.cumsum([len(text) for text in texts])
        return int(np.searchsorted(ends, header.end(), "left")) + 1 if header else 0

    def names(self) -> Sequence[str]:
        """Bytes are named such as "Byte_97"; longer tokens by their text, such as "Text_abc"."""
        if self._model is None:
            return super().names()
        runs = [bytes(_BYTE[char] for char in text) for text in self._spellings()]
        learned = [
            f"Byte_{run[0]}" if len(run) == 1 else f"Text_{run.decode('utf-8', 'backslashreplace')}"
            for run in runs
        ]
        return ["PAD_None", "BOS_None", "EOS_None", *learned]

    def parts(self) -> Mapping[int, Sequence[int]]:
        """The bytes of each longer token."""
        spelled = list(enumerate(self._spellings(), _SPECIALS))
        base = {text: index for index, text in spelled if len(text) == 1}
        return {index: [base[c] for c in text] for index, text in spelled if len(text) > 1}

    def learn(self, pieces: Iterable[Piece]) -> str:
        """Byte-pair merges over the training texts, as the JSON of `tokenizers`."""
        model = Model(BPE())
        texts = [piece for piece in pieces if isinstance(piece, str)]
        wanted = self.config.bar
        barred = sum("|" in text for text in texts) * 2 >= len(texts)
        lines = wanted == "line" or (wanted == "auto" and not barred)
        # the end of a bar is never merged, so that bars can be separated
        bar = pre_tokenizers.Split(_LINE if lines else "|", "isolated")
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.pre_tokenizer = pre_tokenizers.Sequence([bar, words])
        model.decoder = decoders.ByteLevel()
        trainer = BpeTrainer(
            vocab_size=self.config.size - _SPECIALS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        model.train_from_iterator(texts, trainer)
        return str(model.to_str())

    def _spellings(self) -> list[str]:
        """The tokens of the byte-pair model, one character of `_BYTE` for each byte."""
        if self._model is None:
            return []
        return [self._model.id_to_token(index) for index in range(self._model.get_vocab_size())]

    def _trained(self) -> Any:
        if self._model is None:
            raise MusictkError("text has learned no tokens yet", "tokenize a corpus first")
        return self._model


def _end_of_bar(learned: str) -> str:
    """What the learned model splits off first."""
    splits = json.loads(learned)["pre_tokenizer"]["pretokenizers"]
    return str(splits[0]["pattern"]["String"])


def _read(learned: str) -> Any:
    try:
        return Model.from_str(learned)
    except Exception as error:  # tokenizers raises Exception itself
        raise MusictkError(f"the learned tokens cannot be read: {error}") from error
