"""`remi`: bars, positions, pitches, velocities, durations (Huang and Yang 2020, REMI)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.tokens import Attribute, Grammar, Piece, Tokenizer
from musictk_remi.config import RemiConfig, miditok_of
from musictk_remi.decode import decode
from musictk_remi.encode import encode
from musictk_remi.grammar import RemiGrammar
from musictk_remi.quantise import closest, nothing_to_encode, prepared
from musictk_remi.vocabulary import Vocabulary

if TYPE_CHECKING:
    from miditok import REMI


class Remi(Tokenizer):
    """REMI as MidiTok writes it, with a Bar token at every bar line of the score.

    An opening bar shorter than the bars after it becomes a whole bar with its music at the end; a
    shortened bar has a metre of its length; see `musictk.tokens.bars` for the other bars. Round
    trip: onsets and durations on the grid of `beat_res`, velocities and tempos to the nearest of
    the vocabulary; of notes with one onset, pitch and instrument one is kept. `encode(decode(s)) ==
    s` for every s of the grammar. With `bpe` a grammatical s may differ from the encoding that
    `encode` gives for the same music. With `extra` there is no grammar; every sequence decodes, and
    the round trip is as exact as MidiTok's.
    """

    Config = RemiConfig
    name = "remi"
    encoding = 2  # the bars of the score; rounded once

    def __init__(self, config: RemiConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.learns = config.bpe > 0
        self.vocabulary = Vocabulary(config)
        self._merges = None
        if config.bpe and learned is not None:
            from musictk_remi.merges import Merges

            self._merges = Merges(len(self.vocabulary.names), self.vocabulary.bar, learned)
        self.space = self.vocabulary.space
        if self._merges:
            self.space = replace(self.space, size=len(self._merges.runs))

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        if self.learns and self._merges is None:
            raise MusictkError("remi with bpe has learned no merges yet", "tokenize a corpus first")
        ids = self._encode(piece)
        return self._merges.encode(ids) if self._merges else ids

    def decode(self, sequence: NDArray[Any]) -> Piece:
        ids = self._merges.decode(sequence) if self._merges else sequence
        return decode(ids, self.vocabulary)

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        if self._merges:
            return np.flatnonzero(self._merges.starts_bar[np.asarray(sequence, np.int64)])
        bars, ids = self.vocabulary.bars, np.asarray(sequence)
        # `isin` takes many times as long, and sampling calls this for every token.
        return np.flatnonzero(ids == bars[0] if len(bars) == 1 else np.isin(ids, bars))

    def grammar(self) -> Grammar | None:
        return self._grammar

    def attributes(self) -> Mapping[str, Attribute]:
        return self._attributes

    def names(self) -> Sequence[str]:
        """As MidiTok names them; a merged token has the names of its parts, joined by "+"."""
        names = self.vocabulary.names
        if not self._merges:
            return names
        return ["+".join(names[part] for part in run) for run in self._merges.runs]

    def parts(self) -> Mapping[int, Sequence[int]]:
        runs = self._merges.runs if self._merges else []
        return {index: run.tolist() for index, run in enumerate(runs) if len(run) > 1}

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        pitches = self.vocabulary.span("Pitch")
        if self._merges or self.config.extra:  # tokens of several notes, intervals, chords
            return None
        notes = (sequence >= pitches.start) & (sequence < pitches.stop)
        moved = np.where(notes, sequence.astype(np.int64) + semitones, sequence)
        outside = notes & ((moved < pitches.start) | (moved >= pitches.stop))
        return None if outside.any() else moved

    def shift_velocity(self, sequence: NDArray[Any], steps: int) -> NDArray[Any]:
        if self._merges or "Velocity" not in self.vocabulary.first:
            return sequence
        span = self.vocabulary.span("Velocity")
        levels = self.vocabulary.levels
        index = np.clip(sequence.astype(np.int64) - span.start, 0, len(levels) - 1)
        moved = span.start + closest(levels, levels[index] + steps)
        return np.where((sequence >= span.start) & (sequence < span.stop), moved, sequence)

    def learn(self, pieces: Iterable[Piece]) -> str:
        """Byte-pair merges over the training pieces, as JSON."""
        if not self.learns:
            return super().learn(pieces)
        from musictk_remi.merges import Merges

        sequences = (self._encode(piece) for piece in pieces)
        base = len(self.vocabulary.names)
        if self.config.bpe <= base:
            raise MusictkError(
                f"bpe={self.config.bpe} must be above {base}, the vocabulary size without merges",
            )
        return Merges.learn(sequences, base, self.vocabulary.bar, self.config.bpe)

    def _encode(self, piece: Piece) -> NDArray[np.int64]:
        if isinstance(piece, str):
            raise ValueError("remi reads music, not text")
        if self.config.extra:
            return self._encode_by_miditok(piece)
        return encode(piece, self.vocabulary)

    def _encode_by_miditok(self, piece: ScoreTick) -> NDArray[np.int64]:
        tokens = self._miditok.encode(prepared(piece, self.vocabulary))
        found = tokens if self.config.programs else tokens[:1]
        ids = np.array(found.ids if self.config.programs else found[0].ids, np.int64)
        if not np.isin(ids, self.vocabulary.pitches).any():
            raise nothing_to_encode(piece, self.vocabulary)
        return ids

    @cached_property
    def _attributes(self) -> dict[str, Attribute]:
        """Of base tokens; of a merged token, those of all tokens in it."""
        found = self.vocabulary.attributes()
        if not self._merges:
            return found
        runs = self._merges.runs
        return {
            name: Attribute(base.values, np.stack([base.states[run].any(0) for run in runs]))
            for name, base in found.items()
        }

    @cached_property
    def _miditok(self) -> REMI:
        return miditok_of(self.config)

    @cached_property
    def _grammar(self) -> Grammar | None:
        if self.config.extra or (self.learns and not self._merges):
            return None
        grammar = RemiGrammar(self.vocabulary)
        if not self._merges:
            return grammar
        from musictk_remi.merges import MergedGrammar

        return MergedGrammar(grammar, self._merges.runs)
