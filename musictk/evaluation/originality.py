"""Measure originality: the nearest training piece, and the longest passage shared with any.

Notes are ordered by onset and pitch, on a grid of an eighth of a quarter. The interval from each
note to the next is compared, and whether both notes begin together, so that copies are found in any
key, tempo and rhythm. Passages shorter than `GRAM` intervals are ignored: any two pieces share
some.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.arrays import ranges
from musictk.errors import MusictkError
from musictk.music import bars, notes

GRAM = 8  # intervals, hence 9 notes
GRID = 8  # positions of onsets in a quarter
LONG = 24  # notes: a passage this long is counted as copied
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial hash, modulo 2^64


@dataclass(frozen=True)
class Passage:
    """A passage that the examined piece shares with another one, up to key and tempo."""

    piece: str  # name of the other piece
    notes: int
    bar: int  # in which it begins in the examined piece, from 1
    piece_bar: int  # in which it begins in the other piece, from 1
    semitones: int  # transposition from the other piece


@dataclass(frozen=True)
class Originality:
    """The result over all compared pieces."""

    notes: int  # of the examined piece
    pieces: int  # number of compared pieces
    nearest: str  # the piece with the largest share; empty if no piece shares anything
    share: float  # of the 9-note sequences that the nearest piece has too, 0 … 1
    longest: Passage | None  # None if no 9 notes are shared with any piece
    copied: float  # share of notes in passages of at least LONG notes, 0 … 1
    gram: int = field(default=GRAM + 1)

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class _IntervalSequence:
    """A piece as a sequence of intervals."""

    onset: NDArray[np.int64]  # (N,) ticks
    pitch: NDArray[np.int64]  # (N,)
    grams: NDArray[np.uint64]  # (N - GRAM,) hash of the intervals from each on

    @staticmethod
    def of(score: ScoreTick) -> _IntervalSequence:
        found = notes(score, drums=False)
        place = (2 * found.start * GRID + score.ticks_per_quarter) // (2 * score.ticks_per_quarter)
        _, first = np.unique(place * 128 + found.pitch, return_index=True)  # sorted by both
        place, pitch = place[first], found.pitch[first]
        symbols = np.diff(pitch) * 2 + (np.diff(place) == 0)
        count = max(len(symbols) - GRAM + 1, 0)
        grams = np.zeros(count, np.uint64)
        for offset in range(GRAM):
            grams = grams * _MULTIPLIER + symbols[offset : offset + count].astype(np.uint64)
        return _IntervalSequence(found.start[first], pitch, grams)


def gram_hashes(score: ScoreTick) -> NDArray[np.uint64]:
    """(N - GRAM,) the hash of each 9-note pattern of a piece, in order; equal in all keys."""
    return _IntervalSequence.of(score).grams


def measure_originality(score: ScoreTick, pieces: Iterable[tuple[str, ScoreTick]]) -> Originality:
    """Compare `score` with every (name, piece), read one at a time.

    Raises MusictkError for fewer than 9 pitched notes, or for no pieces.
    """
    line = _IntervalSequence.of(score)
    if not len(line.grams):
        raise MusictkError(
            f"the piece has only {len(line.pitch)} notes", f"give at least {GRAM + 1}"
        )
    edges, order = bars(score), np.argsort(line.grams, kind="stable")
    ordered = line.grams[order]
    nearest, share, longest, count = "", 0.0, None, 0
    copied = np.zeros(len(line.pitch), np.bool_)
    for name, other_score in pieces:
        count += 1
        other = _IntervalSequence.of(other_score)
        here, there = _matches(ordered, order, other.grams)
        found = len(np.unique(here)) / len(line.grams)
        if found > share:
            nearest, share = name, found
        start, there_start, length = _runs(here, there)
        for index in np.flatnonzero(length >= LONG):
            copied[start[index] : start[index] + length[index]] = True
        if len(length) and length.max() > (longest.notes if longest else 0):
            best = int(length.argmax())
            at, there_at = int(start[best]), int(there_start[best])
            longest = Passage(
                piece=name,
                notes=int(length[best]),
                bar=_bar(edges, line.onset[at]),
                piece_bar=_bar(bars(other_score), other.onset[there_at]),
                semitones=int(line.pitch[at] - other.pitch[there_at]),
            )
    if not count:
        raise MusictkError("there are no pieces to compare with", "run: musictk ingest FOLDER")
    return Originality(len(line.pitch), count, nearest, share, longest, float(copied.mean()))


def _matches(
    ordered: NDArray[np.uint64], order: NDArray[np.int64], grams: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(M,) indices here and (M,) indices there of every pair of equal grams."""
    left = np.searchsorted(ordered, grams, side="left")
    many = np.searchsorted(ordered, grams, side="right") - left
    there = np.repeat(np.arange(len(grams)), many)
    return order[np.repeat(left, many) + ranges(many)], there


def _runs(
    here: NDArray[np.int64], there: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(start here, start there, notes) of each longest run of matches along one diagonal."""
    order = np.lexsort((here, there - here))
    here, there = here[order], there[order]
    broken = (np.diff(here) != 1) | (np.diff(there) != 1)
    first = np.concatenate([[0], np.flatnonzero(broken) + 1]) if len(here) else np.zeros(0, int)
    length = np.diff(np.append(first, len(here)))
    return here[first], there[first], length + GRAM


def _bar(edges: NDArray[np.int64], tick: int) -> int:
    return int(np.searchsorted(edges, tick, side="right"))
