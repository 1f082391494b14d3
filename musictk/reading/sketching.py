"""Compute the sketch of a piece, which is invariant to transposition and tempo.

The highest and the lowest voice are sequences of pitch intervals; every run of seven intervals is
hashed. Runs of at most two different intervals (scales, trills) are common to all music and left
out. The smallest hashes are kept: a bottom-k sketch (Cohen & Kaplan 2007), from which
`musictk.sketches` estimates the overlap of two pieces. The constants are derived in
`docs/decisions/0007-near-duplicates.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from musictk.sketches import SIZE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RUN = 7  # intervals in one run
_GRID = 24  # positions in a quarter on which nearly all onsets of a score are
_SCORE = 0.6  # share of onsets on that grid of a score (≥ .88), not of a performance (≤ .23)
_TOGETHER = 0.05  # seconds within which a performer's onsets count as one chord


def sketch_music(ticks: Ints, pitch: Ints, quarter: int, clock: Callable[[Ints], Floats]) -> bytes:
    """The sketch of a piece, from the onsets in ticks and the pitches of its notes, both (N,).

    `quarter` is in ticks. Onsets of a score are compared in ticks, so that its tempo does not
    matter; those of a performance in seconds, as converted by `clock`.
    """
    notes = np.sort(ticks << 7 | pitch)  # by onset, then by pitch
    ticks, height = notes >> 7, notes & 0x7F
    apart = np.ones(len(notes), bool)
    if _is_score(ticks, quarter):
        apart[1:] = ticks[1:] - ticks[:-1] > quarter / _GRID
    else:
        apart[1:] = np.diff(clock(ticks)) > _TOGETHER
    starts = np.flatnonzero(apart)
    top, bottom = np.maximum.reduceat(height, starts), np.minimum.reduceat(height, starts)
    rise, fall = np.diff(top), np.diff(bottom)
    line = np.concatenate([rise, fall, top - bottom]).astype(np.int8)
    return _pack(line.tobytes(), np.concatenate([_runs(rise, 1), _runs(fall, 2)]))


def sketch_text(text: str) -> bytes:
    """The sketch of a text: runs of five words, ignoring case and punctuation."""
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    runs = {" ".join(words[start : start + 5]) for start in range(max(1, len(words) - 4))}
    digests = (hashlib.blake2b(run.encode(), digest_size=4).digest() for run in runs)
    hashes = np.array([int.from_bytes(digest) for digest in digests], np.uint32)
    return _pack(" ".join(words).encode(), hashes)


def _pack(whole: bytes, hashes: NDArray[np.uint32]) -> bytes:
    signature = np.frombuffer(hashlib.blake2b(whole, digest_size=8).digest(), "<u4")
    ordered = np.sort(hashes)
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    head = np.append(signature, np.uint32(len(distinct)))
    return np.append(head, distinct[:SIZE]).astype("<u4").tobytes()


def _is_score(ticks: Ints, quarter: int) -> bool:
    # Half a tick of rounding is allowed; with two ticks per quarter everything is a score.
    away = np.abs((ticks * _GRID + quarter // 2) % quarter - quarter // 2)
    return bool(np.mean(away <= _GRID) > _SCORE)


def _runs(steps: Ints, salt: int) -> NDArray[np.uint32]:
    """Hashes of the runs of intervals in a voice; repeated notes count once."""
    steps = steps[steps != 0].astype(np.int16)
    if len(steps) < _RUN:
        return np.zeros(0, np.uint32)
    count = len(steps) - _RUN + 1
    shifts = [steps[offset : offset + count] for offset in range(_RUN)]
    low, high = reduce(np.minimum, shifts), reduce(np.maximum, shifts)
    varied = np.zeros(count, bool)  # more than two different intervals
    for shift in shifts:
        varied |= (shift != low) & (shift != high)
    digits = (steps + 128).astype(np.uint64)
    value = np.full(count, salt, np.uint64)  # the run as a number: seven bytes and the voice
    for offset in range(_RUN):
        value = value << np.uint64(8) | digits[offset : offset + count]
    return (_mix(value[varied]) >> np.uint64(32)).astype(np.uint32)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014), in wrapping unsigned arithmetic."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
