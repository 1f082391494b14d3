"""Count the figures of a piece: what tells composers apart, in any key and at any tempo.

Notes whose onsets are one chord are grouped, as in `musictk.reading.sketching`: within 1/24 of a
quarter in a score, within 50 ms in a performance. Figures are short runs of intervals and shapes of
chords; they are counted in SIZE buckets by their hash (feature hashing, Weinberger et al. 2009).
Profiles are distributions: register and the distance of the outer voices.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.music import Clock, notes
from musictk.reading.sketching import GRID, TOGETHER, is_score

VERSION = 1  # of the counts: those of another version cannot be compared
SIZE = 1 << 14  # buckets of one kind of figure
LEAST_NOTES = 32  # a shorter piece has too few figures
FIGURES = (  # weighed by their frequency in the piece and their rarity in the corpus
    "bass",
    "bass-2",
    "texture-2",
    "texture-3",
    "placed-texture",
    "shapes",
    "placed-shapes",
    "shape-changes",
    "chord-changes",
    "outer-voices",
)
PROFILES = ("register", "top", "bottom", "span")
KINDS = (*FIGURES, *PROFILES)

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WIDE, _NEAR = 36, 14  # semitones at which intervals are clipped

Ints = NDArray[np.int64]
Counts = dict[str, tuple[NDArray[np.uint16], NDArray[np.float32]]]  # kind -> buckets, counts


@dataclass(frozen=True)
class _Groups:
    """Notes in groups of one onset; inside a group by ascending pitch."""

    pitch: Ints  # (N,)
    group: Ints  # (N,) index of the group
    onset: NDArray[np.float64]  # (G,) quarters of a score, seconds of a performance
    top: Ints  # (G,) the highest pitch
    bottom: Ints  # (G,)


def count_figures(score: ScoreTick) -> Counts:
    """The counts of every kind in KINDS. Raises MusictkError for a piece of too few notes."""
    music = _groups(score)
    if len(music.pitch) < LEAST_NOTES or len(music.onset) < 4:
        count = len(music.pitch)
        hint = f"give at least {LEAST_NOTES} notes with pitches, at different times"
        raise MusictkError(f"the piece is too short: {count} notes", hint)
    found = {**_voices(music), **_textures(music), **_chords(music)}
    found["register"], found["top"] = music.pitch[:, None] // 3, music.top[:, None] // 3
    found["bottom"] = music.bottom[:, None] // 3
    found["span"] = np.minimum(music.top - music.bottom, 60)[:, None]
    return {kind: _count(kind, found[kind]) for kind in KINDS}


def _voices(music: _Groups) -> dict[str, Ints]:
    """Runs of intervals of the lowest voice, and steps of both outer voices."""
    up, low = (np.clip(np.diff(voice), -_NEAR, _NEAR) for voice in (music.top, music.bottom))
    span = np.minimum(music.top - music.bottom, 60)[:-1]
    return {
        "bass": _runs(low[:, None], 3),
        "bass-2": _runs(low[:, None], 2),
        "outer-voices": np.column_stack([span, up, low]),
    }


def _textures(music: _Groups) -> dict[str, Ints]:
    """Runs of intervals from each note to the next, also with the octave that they begin in."""
    step = np.clip(np.diff(music.pitch), -_WIDE, _WIDE)
    line = np.column_stack([step, np.diff(music.group) == 0])
    pairs = _runs(line, 2)
    return {
        "texture-2": pairs,
        "texture-3": _runs(line, 3),
        "placed-texture": np.column_stack([music.pitch[: len(pairs)] // 12, pairs]),
    }


def _chords(music: _Groups) -> dict[str, Ints]:
    """Shapes of the notes of one onset above its lowest, and changes from one to the next."""
    above = music.pitch - music.bottom[music.group]
    shape, classes = (np.zeros(len(music.onset), np.int64) for _ in range(2))
    np.bitwise_or.at(shape, music.group, 1 << np.minimum(above, 60))
    np.bitwise_or.at(classes, music.group, 1 << above % 12)
    moved = np.diff(music.bottom)
    return {
        "shapes": shape[:, None],
        "placed-shapes": np.column_stack([music.bottom // 6, shape]),
        "shape-changes": np.column_stack([shape[:-1], shape[1:], np.clip(moved, -_WIDE, _WIDE)]),
        "chord-changes": np.column_stack([classes[:-1], classes[1:], moved % 12]),
    }


def _groups(score: ScoreTick) -> _Groups:
    found = notes(score, drums=False)
    quarter = max(score.ticks_per_quarter, 1)
    if is_score(found.start, quarter):
        onset, together = found.start / quarter, 1 / GRID
    else:
        onset, together = Clock(score).seconds(found.start), TOGETHER
    apart = np.ones(len(onset), bool)
    np.greater(np.diff(onset), together, out=apart[1:])
    group = np.cumsum(apart) - 1
    order = np.lexsort((found.pitch, group))
    pitch, first = found.pitch[order], np.flatnonzero(apart)
    if not len(pitch):
        return _Groups(pitch, group, onset, pitch, pitch)
    last = np.append(first[1:], len(pitch)) - 1
    return _Groups(pitch, group, onset[first], pitch[last], pitch[first])


def _runs(symbols: Ints, length: int) -> Ints:
    """(N, W) symbols -> (N - length + 1, W · length): every run of `length` of them."""
    count = max(len(symbols) - length + 1, 0)
    return np.concatenate([symbols[at : at + count] for at in range(length)], axis=1)


def _count(kind: str, rows: Ints) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """The bucket of each different row, and how often it occurs."""
    value = np.full(len(rows), zlib.crc32(kind.encode()), np.uint64)
    for column in rows.T:
        value = (value ^ column.astype(np.int64).view(np.uint64)) * _FACTOR
        value ^= value >> np.uint64(29)
    buckets, counts = np.unique((value % np.uint64(SIZE)).astype(np.uint16), return_counts=True)
    return buckets, counts.astype(np.float32)
