"""`pianoroll`: frames of 128 pitches, several a beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.config import check_settings, setting
from musictk.music import note_list, notes
from musictk.tokens import PITCH, Attribute, Frames, Piece, Tokenizer
from musictk.tokens.attributes import MIDI_PITCHES
from musictk.tokens.bars import grid_of
from musictk.tokens.metrics import bar_metrics
from musictk.tokens.overlaps import distinct

MOST_FRAMES = 500_000  # 64 MB unpacked; 34 hours at four frames a beat and 120 beats a minute


@dataclass(frozen=True)
class PianoRollConfig:
    """Time is counted in beats of a quarter note, without tempos."""

    frames_per_beat: int = setting(4, "Frames per quarter note.", low=1, high=96)
    beats_per_bar: int = setting(
        4, "Length of every bar in quarter notes; frames encode no metre.", low=1, high=64
    )
    velocity: int = setting(80, "MIDI velocity of every decoded note.", low=1, high=127)
    tempo: int = setting(
        120, "Tempo of decoded music, in quarter notes per minute.", low=4, high=1000
    )

    def __post_init__(self) -> None:
        check_settings(self, "pianoroll")


class PianoRoll(Tokenizer):
    """All pitched tracks in one roll; drums, velocities, tempos and metres are left out.

    A frame is on where a pitch sounds. A note that is struck again while it sounds, or right after,
    is separated by silencing the frame before the new onset; a note of one frame merges with the
    next. A pickup is the end of a whole bar, as long as the bars after it, so that bars of
    `beats_per_bar` begin where the score has them. Onsets and ends go to the nearest frame, and a
    note lasts at least one. A piece fills whole bars. `encode(decode(s)) == s` for every s of whole
    bars whose last is not empty.
    """

    Config = PianoRollConfig
    name = "pianoroll"
    encoding = 2  # a pickup is the end of a whole bar

    def __init__(self, config: PianoRollConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        self.space = Frames(128)
        self.frames_per_bar = config.frames_per_beat * config.beats_per_bar
        self._metrics = bar_metrics(config.frames_per_beat, config.beats_per_bar)

    def encode(self, piece: Piece) -> NDArray[np.uint8]:
        """(T, 128) uint8. Raises ValueError for music without a pitched note, or too long."""
        if isinstance(piece, str):
            raise ValueError("pianoroll reads music, not text")
        onset, end, pitch = _parted(*self._on_grid(piece))
        bars = -(-int(end.max()) // self.frames_per_bar)
        frames = bars * self.frames_per_bar
        if frames > MOST_FRAMES:
            raise ValueError(f"{frames} frames are more than {MOST_FRAMES}")
        # A pitch changes at every onset and end, at which no two notes of it meet.
        edges = np.zeros((frames + 1, 128), np.uint8)
        edges[onset, pitch] = 1
        edges[end, pitch] ^= 1
        words = edges.view(np.uint64)
        np.bitwise_xor.accumulate(words, axis=0, out=words)
        return edges[:-1]

    def decode(self, sequence: NDArray[Any]) -> Piece:
        score = ScoreTick(self.config.frames_per_beat)
        score.tempos.append(TempoTick(0, float(self.config.tempo)))
        score.time_signatures.append(TimeSignatureTick(0, self.config.beats_per_bar, 4))
        silent = np.zeros((1, 128), np.int8)
        edges = np.diff(np.concatenate([silent, (sequence != 0).astype(np.int8), silent]), axis=0)
        pitch, onset = np.nonzero(edges.T == 1)
        _, end = np.nonzero(edges.T == -1)  # in the same order: a pitch's runs do not nest
        order = np.lexsort((pitch, onset))
        track = TrackTick("Piano")
        velocity = np.full(len(order), self.config.velocity)
        track.notes = note_list(onset[order], (end - onset)[order], pitch[order], velocity)
        score.tracks.append(track)
        return score

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.arange(0, len(sequence), self.frames_per_bar)

    def attributes(self) -> Mapping[str, Attribute]:
        return {PITCH: Attribute(MIDI_PITCHES, np.eye(128, dtype=bool))}

    def names(self) -> Sequence[str]:
        return [f"Pitch_{pitch}" for pitch in MIDI_PITCHES]

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        if abs(semitones) >= 128:
            return None
        lost = sequence[:, 128 - semitones :] if semitones > 0 else sequence[:, :-semitones]
        return None if lost.any() else np.roll(sequence, semitones, axis=1)

    def _on_grid(
        self, score: ScoreTick
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(N,) first frame, frame after the last, pitch."""
        found = notes(score, drums=False, ordered=False)
        if not len(found):
            raise ValueError("it has no pitched note")
        grid = grid_of(self._metrics, score, int(found.end.max()))
        onset, end = grid.snap(found.start), grid.snap(found.end)
        return onset, np.maximum(end, onset + 1), found.pitch


def _parted(
    onset: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The notes without overlaps: of one onset the longest; a new onset ends what sounds."""
    order = distinct(onset, end, pitch)
    onset, end, pitch = onset[order], end[order], pitch[order]
    following = pitch[1:] == pitch[:-1]
    latest = np.maximum(onset[1:] - 1, onset[:-1] + 1)
    end[:-1] = np.where(following, np.minimum(end[:-1], latest), end[:-1])
    return onset, end, pitch
