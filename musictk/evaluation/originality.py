"""Is it copied? The nearest training piece, and the longest passage a piece shares with any.

Notes are taken in order of onset and pitch, on a grid of an eighth of a quarter. What is compared
is the interval from each note to the next, and whether they sound together: so a copy is found in
any key, at any tempo and in any rhythm. Passages shorter than `GRAM` intervals are not looked for,
any piece has them from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.music import bars, notes

GRAM = 8  # intervals, hence 9 notes
GRID = 8  # onsets per quarter that are told apart
LONG = 24  # notes: a passage this long is counted as copied
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial hash, modulo 2^64


@dataclass(frozen=True)
class Passage:
    """A passage that stands in the piece and, in some key and tempo, in another one."""

    piece: str
    notes: int
    bar: int  # where it begins in the piece asked about, from 1
    piece_bar: int  # where it begins in the other, from 1
    semitones: int  # how far the other must be transposed


@dataclass(frozen=True)
class Originality:
    """What was found, over all pieces."""

    notes: int  # in the piece asked about
    pieces: int  # compared with
    nearest: str  # the piece that shares most
    share: float  # of the piece's 9-note figures that the nearest piece has too, 0 … 1
    longest: Passage | None  # None where no 9 notes are shared with any
    copied: float  # share of the notes in passages of LONG notes and more from any one piece
    gram: int = field(default=GRAM + 1)

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class _IntervalSequence:
    """A piece as a line of intervals."""

    onset: NDArray[np.int64]  # (N,) ticks
    pitch: NDArray[np.int64]  # (N,)
    symbols: NDArray[np.int64]  # (N - 1,)
    grams: NDArray[np.uint64]  # (N - GRAM,) hash of the symbols from each on

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
        return _IntervalSequence(found.start[first], pitch, symbols, grams)


def measure_originality(score: ScoreTick, pieces: Iterable[tuple[str, ScoreTick]]) -> Originality:
    """Compare `score` with every piece, taken one at a time. 3,000 pieces take some seconds.

    Raises MusictkError where it has fewer than 9 pitched notes, or there is no piece.
    """
    line = _IntervalSequence.of(score)
    if not len(line.grams):
        raise MusictkError(
            f"the piece has only {len(line.pitch)} notes", f"give at least {GRAM + 1}"
        )
    edges, order = bars(score), np.argsort(line.grams, kind="stable")
    ordered = line.grams[order]
    nearest, share, longest, count = "", -1.0, None, 0
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
        raise MusictkError("there is no piece to compare with", "ingest some first")
    return Originality(len(line.pitch), count, nearest, share, longest, float(copied.mean()))


def _matches(
    ordered: NDArray[np.uint64], order: NDArray[np.int64], grams: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(M,) places here and (M,) places there of every pair of equal grams."""
    left = np.searchsorted(ordered, grams, side="left")
    many = np.searchsorted(ordered, grams, side="right") - left
    there = np.repeat(np.arange(len(grams)), many)
    within = np.arange(len(there)) - np.repeat(np.cumsum(many) - many, many)
    return order[np.repeat(left, many) + within], there


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
