"""`remi`: bars, positions, pitches, velocities, durations (Huang and Yang 2020, REMI)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Grammar, Piece, Tokenizer, Tokens
from musictk_remi.config import RemiConfig
from musictk_remi.decode import decode
from musictk_remi.encode import encode
from musictk_remi.grammar import RemiGrammar
from musictk_remi.vocabulary import Vocabulary


class Remi(Tokenizer):
    """REMI as MidiTok writes it, with every bar marked by its own Bar token.

    Round trip: onsets and durations on the grid of `beat_res`, velocities, tempos and metres to the
    nearest of the vocabulary; of notes with one onset, pitch and instrument one stays.
    """

    Config = RemiConfig
    name = "remi"

    def __init__(self, config: RemiConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.vocabulary = Vocabulary(config)
        self.space = Tokens(len(self.vocabulary.names))

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        if isinstance(piece, str):
            raise ValueError("remi reads music, not text")
        return encode(piece, self.vocabulary)

    def decode(self, sequence: NDArray[Any]) -> Piece:
        return decode(sequence, self.vocabulary)

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.flatnonzero(sequence == self.vocabulary.bar)

    def grammar(self) -> Grammar | None:
        return self._grammar

    @cached_property
    def _grammar(self) -> Grammar | None:
        return None if self.config.extra else RemiGrammar(self.vocabulary)

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        pitches = self.vocabulary.span("Pitch")
        notes = (sequence >= pitches.start) & (sequence < pitches.stop)
        moved = np.where(notes, sequence.astype(np.int64) + semitones, sequence)
        outside = notes & ((moved < pitches.start) | (moved >= pitches.stop))
        return None if outside.any() else moved
