"""The Tokenizer contract: a piece of music (or text) <-> a sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.config import plain
from musictk.files import digest
from musictk.tokens.attributes import Attribute, attributes_fault
from musictk.tokens.faults import tokenizer_error
from musictk.tokens.grammar import Grammar
from musictk.tokens.space import Frames, Space, Tokens

# Music in memory is a symusic Score in ticks; `.txt` and `.abc` files are text.
Piece: TypeAlias = ScoreTick | str


class Tokenizer(ABC):
    """Piece <-> sequence. Stored as name, config and learned state, never pickled.

    A subclass sets `Config` (a frozen dataclass), `name`, `encoding` and, in `__init__`, `space`.
    """

    Config: ClassVar[type]
    name: ClassVar[str]
    encoding: ClassVar[int] = 1  # increase it when the same config encodes differently
    decodes_from: ClassVar[int] = 1  # the earliest encoding whose sequences decode the same way
    reads: ClassVar[frozenset[str]] = frozenset({"midi"})  # kinds of file: "midi", "text", "abc"
    learns: bool = False  # True where `learn` must run over the corpus before `encode`

    set_by_init: ClassVar[tuple[str, ...]] = ("config", "learned", "space")
    space: Space

    def __init__(self, config: Any, learned: str | None = None) -> None:
        self.config = config
        self.learned = learned  # text (JSON) that `learn` returned, such as BPE merges

    def check_made(self) -> None:
        """Raise MusictkError where `space` or `attributes` break the contract; called once."""
        if self.learns and self.learned is None:
            return  # neither is known yet
        space: Any = self.space
        if not isinstance(space, Tokens | Frames):
            raise tokenizer_error(self.name, f"has the space {space!r}, neither Tokens nor Frames")
        if fault := attributes_fault(self.attributes(), space.classes):
            raise tokenizer_error(self.name, f"breaks its contract: {fault}")

    @abstractmethod
    def encode(self, piece: Piece) -> NDArray[Any]:
        """The whole piece: (T,) int64 for Tokens (no bos, no eos), (T, width) uint8 for Frames.

        Raises ValueError for a piece without anything that this tokenizer can represent.
        """

    @abstractmethod
    def decode(self, sequence: NDArray[Any]) -> Piece:
        """Any sequence of the space decodes; tokens that have no meaning there are skipped."""

    @abstractmethod
    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        """Ascending indices at which a bar begins: the unit of forms and prompts."""

    def grammar(self) -> Grammar | None:
        """Which tokens may follow; None where everything may (Frames)."""
        return None

    def attributes(self) -> Mapping[str, Attribute]:
        """The attributes of tokens, by name. Constraints and samplers use them.

        - "metre": time signatures, named such as "3/4".
        - "pitch": the 128 MIDI pitches that a token starts; for frames, the pitch of each bit.
          Drums have no pitch.
        - "release": the 128 MIDI pitches that a token ends, where separate tokens end notes.
        - "tempo": tempos in quarter notes per minute, named such as "120.0".
        - "program": MIDI programs, named "0" to "127", and "drums", where tokens state them.

        An attribute that tokens do not have is left out, such as the pitch of text or of notes
        written as intervals.
        """
        return {}

    def names(self) -> Sequence[str]:
        """(V,) the name of each token, such as "Pitch_60" (of frames: of each column).

        All names are different. Exports store them in `vocabulary.json`.
        """
        if isinstance(self.space, Frames):
            return [f"Column_{index}" for index in range(self.space.width)]
        special = {self.space.pad: "PAD", self.space.bos: "BOS", self.space.eos: "EOS"}
        return [
            f"{special[i]}_None" if i in special else f"Token_{i}" for i in range(self.space.size)
        ]

    def parts(self) -> Mapping[int, Sequence[int]]:
        """The ids of the base tokens that each merged token consists of, such as with BPE."""
        return {}

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        """`sequence` (any crop) transposed exactly, of equal length; None where impossible."""
        return None

    def shift_velocity(self, sequence: NDArray[Any], steps: int) -> NDArray[Any]:
        """`sequence` (any crop) with `steps` added to every MIDI velocity, of equal length."""
        return sequence

    def learn(self, pieces: Iterable[Piece]) -> str:
        """Learn from the training pieces; return text to be passed as `learned` from then on."""
        raise TypeError(f"tokenizer {self.name!r} learns nothing")

    @property
    def fingerprint(self) -> str:
        """Identifies this encoding: equal fingerprints mean equal encodings of every piece."""
        return self._fingerprint(self.encoding)

    def decodes(self, fingerprint: str) -> bool:
        """Whether `decode` decodes sequences of the tokenizer with that fingerprint correctly.

        True for equal settings, in this encoding or an earlier one from `decodes_from` on: a model
        that was trained then can be sampled, and trained further on music as it is encoded now.
        """
        known = range(self.decodes_from, self.encoding + 1)
        return fingerprint in map(self._fingerprint, known)

    def _fingerprint(self, encoding: int) -> str:
        return digest([self.name, encoding, plain(self.config), self.learned])
