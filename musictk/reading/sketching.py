"""Compute the sketch of a piece, which is invariant to transposition and tempo.

The highest and the lowest voice are sequences of pitch intervals; every run of seven intervals is
hashed. Runs of at most two different intervals (scales, trills) are common to all music and left
out. The smallest hashes are kept: a bottom-k sketch (Cohen & Kaplan 2007), from which
`musictk.sketches` estimates the overlap of two pieces. The constants are derived in
`docs/decisions/0007-near-duplicates.md`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from musictk.sketches import SIZE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GRID = 24  # positions in a quarter on which nearly all onsets of a score are
TOGETHER = 0.05  # seconds within which a performer's onsets count as one chord
_SCORE = 0.6  # share of onsets on that grid of a score (≥ .88), not of a performance (≤ .23)
_RUN = 7  # intervals in one run
_INTERVALS = np.uint64((1 << 56) - 1)
_UPPER, _LOWER = np.uint64(1 << 56), np.uint64(2 << 56)  # the voice of a run
_SHIFTS = tuple(map(np.uint64, (30, 27, 31)))  # of splitmix64
_FACTORS = tuple(map(np.uint64, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
_COUNT = struct.Struct("<I")


def sketch_music(ticks: Ints, pitch: Ints, quarter: int, clock: Callable[[Ints], Floats]) -> bytes:
    """The sketch of a piece, from the onsets in ticks and the pitches of its notes, both (N,).

    `quarter` is in ticks. Onsets of a score are compared in ticks, so that its tempo does not
    matter; those of a performance in seconds, as converted by `clock`.
    """
    notes = ticks << 7 | pitch
    notes.sort()  # by onset, then by pitch
    ticks, height = notes >> 7, (notes & 0x7F).astype(np.int16)
    apart = np.ones(len(notes), bool)
    if is_score(ticks, quarter):
        np.greater(GRID * (ticks[1:] - ticks[:-1]), quarter, out=apart[1:])
    else:
        seconds = clock(ticks)
        np.greater(seconds[1:] - seconds[:-1], TOGETHER, out=apart[1:])
    starts = apart.nonzero()[0]
    top, bottom = np.maximum.reduceat(height, starts), np.minimum.reduceat(height, starts)
    rise, fall = top[1:] - top[:-1], bottom[1:] - bottom[:-1]
    line = np.concatenate([rise, fall, top - bottom]).astype(np.int8)
    return _pack(line.tobytes(), _runs(rise, fall))


def sketch_text(text: str) -> bytes:
    """The sketch of a text: runs of five words, ignoring case and punctuation."""
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    runs = {" ".join(words[start : start + 5]) for start in range(max(1, len(words) - 4))}
    digests = (hashlib.blake2b(run.encode(), digest_size=4).digest() for run in runs)
    hashes = np.array([int.from_bytes(digest) for digest in digests], np.uint32)
    return _pack(" ".join(words).encode(), hashes)


def _pack(whole: bytes, hashes: NDArray[np.uint32]) -> bytes:
    signature = hashlib.blake2b(whole, digest_size=8).digest()
    hashes.sort()
    distinct = np.ones(len(hashes), bool)
    np.not_equal(hashes[1:], hashes[:-1], out=distinct[1:])
    hashes = hashes[distinct]
    return signature + _COUNT.pack(len(hashes)) + hashes[:SIZE].astype("<u4").tobytes()


def is_score(ticks: Ints, quarter: int) -> bool:
    """Whether the onsets (N,) are those of a score, not of a performance."""
    # Half a tick of rounding is allowed; with two ticks per quarter everything is a score.
    half = quarter // 2
    away = ticks * GRID
    away += half
    away -= away // quarter * quarter  # `%` takes several times as long
    away -= half
    on_grid = int(np.count_nonzero(np.abs(away, out=away) <= GRID))
    return on_grid > _SCORE * len(ticks)


def _runs(rise: NDArray[np.int16], fall: NDArray[np.int16]) -> NDArray[np.uint32]:
    """Hashes of the runs of intervals in both voices; repeated notes count once."""
    rise = rise[rise != 0]
    steps = np.concatenate([rise, fall[fall != 0]])
    if len(steps) < _RUN:
        return np.zeros(0, np.uint32)
    count = len(steps) - _RUN + 1
    # Row i has the i-th interval of every run; the rows overlap in memory.
    runs: NDArray[np.int16] = np.ndarray((_RUN, count), steps.dtype, steps, strides=(2, 2))
    low, high = runs.min(axis=0), runs.max(axis=0)
    chosen = ((runs != low) & (runs != high)).any(axis=0)  # more than two different intervals
    chosen[max(len(rise) - _RUN + 1, 0) : len(rise)] = False  # those of both voices
    # A run as a number of eight bytes: the voice, then each interval. Those of a run begin one
    # before its first interval; the voice replaces that one.
    digits = np.empty(len(steps) + 1, np.uint8)
    np.add(steps, 128, out=digits[1:], casting="unsafe")
    value = np.ndarray((count,), ">u8", digits, strides=(1,)).astype(np.uint64)
    value &= _INTERVALS
    value[: len(rise)] |= _UPPER
    value[len(rise) :] |= _LOWER
    hashes = _mix(value[chosen])
    hashes >>= np.uint64(32)
    return hashes.astype(np.uint32)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014), in place, in wrapping unsigned
    arithmetic."""
    value ^= value >> _SHIFTS[0]
    value *= _FACTORS[0]
    value ^= value >> _SHIFTS[1]
    value *= _FACTORS[1]
    value ^= value >> _SHIFTS[2]
    return value
