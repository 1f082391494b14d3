"""Small tokenizers whose tokens state more than the pitch of a note, as those of plugins may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.music import notes
from musictk.tokens import PITCH, RELEASE, Frames, Piece, Tokenizer, Tokens
from musictk.tokens.attributes import MIDI_PITCHES, Attribute

LENGTHS = (1, 2, 4, 8, 16)  # sixteenths
VELOCITIES = (50, 90)
KINDS = len(LENGTHS) * len(VELOCITIES)
BAR = Tokens.ordinary
POSITION = BAR + 1
NOTE = POSITION + 16


@dataclass(frozen=True)
class CompoundConfig:
    """`clipped`: notes end with their bar."""

    clipped: bool = False


class Compound(Tokenizer):
    """Bars of 4/4, positions in sixteenths, and a token for each pitch, length and velocity."""

    Config = CompoundConfig
    name = "compound"

    def __init__(self, config: CompoundConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.space = Tokens(NOTE + 128 * KINDS)

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        assert isinstance(piece, ScoreTick)
        found, step = notes(piece), piece.ticks_per_quarter // 4
        ids: list[int] = []
        for bar in range(int(found.start.max()) // (16 * step) + 1):
            ids.append(BAR)
            for index in np.flatnonzero(found.start // (16 * step) == bar).tolist():
                length = LENGTHS.index(int(found.end[index] - found.start[index]) // step)
                loud = VELOCITIES.index(int(found.velocity[index]))
                kind = length * len(VELOCITIES) + loud
                ids.append(POSITION + int(found.start[index]) // step % 16)
                ids.append(NOTE + kind * 128 + int(found.pitch[index]))
        return np.array(ids, np.int64)

    def decode(self, sequence: NDArray[Any]) -> ScoreTick:
        score, bar, position = ScoreTick(4), -1, -1
        score.tracks.append(TrackTick("Compound"))
        for token in sequence.tolist():
            if token == BAR:
                bar, position = bar + 1, -1
            elif POSITION <= token < NOTE:
                position = token - POSITION
            elif token >= NOTE and bar >= 0 and position >= 0:
                kind, pitch = divmod(token - NOTE, 128)
                length = LENGTHS[kind // len(VELOCITIES)]
                length = min(length, 16 - position) if self.config.clipped else length
                loud = VELOCITIES[kind % len(VELOCITIES)]
                score.tracks[0].notes.append(NoteTick(bar * 16 + position, length, pitch, loud))
        return score

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.flatnonzero(sequence == BAR)

    def attributes(self) -> Mapping[str, Attribute]:
        states = np.zeros((NOTE + 128 * KINDS, 128), bool)
        tokens = np.arange(128 * KINDS)
        states[NOTE + tokens, tokens % 128] = True
        return {PITCH: Attribute(MIDI_PITCHES, states)}


class Silent(Compound):
    """Its notes do not decode alone: only where another follows."""

    def decode(self, sequence: NDArray[Any]) -> ScoreTick:
        alone = int((sequence >= NOTE).sum()) < 2
        return super().decode(sequence[:0] if alone else sequence)


class Releases(Compound):
    """Each pitch has several tokens that end it."""

    def attributes(self) -> Mapping[str, Attribute]:
        found = super().attributes()
        return {**found, RELEASE: found[PITCH]}


class TwoColumns(Compound):
    """Frames with two bits for each pitch: it begins, or it sounds on."""

    def __init__(self, config: CompoundConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.space = Frames(256)

    def attributes(self) -> Mapping[str, Attribute]:
        return {PITCH: Attribute(MIDI_PITCHES, np.tile(np.eye(128, dtype=bool), (2, 1)))}
