"""A musical fingerprint that neither transposition nor tempo changes.

The highest and the lowest voice are read off as sequences of pitch intervals; every run of a few
intervals is hashed, and the smallest hashes are kept: a bottom-k sketch (Cohen & Kaplan 2007), from
which the share of common runs between two pieces can be estimated.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]

SIZE = 256  # hashes kept of a piece
_RUN = 6  # intervals in one run
_TOGETHER = 0.035  # seconds within which onsets count as one chord


def sketch_music(seconds: NDArray[np.float64], pitch: Ints) -> bytes:
    """The sketch of a piece: `seconds` (N,) onsets and `pitch` (N,) of its notes."""
    order = np.lexsort((pitch, seconds))
    onset, height = seconds[order], pitch[order]
    starts = np.flatnonzero(np.diff(onset, prepend=-np.inf) > _TOGETHER)
    top = np.maximum.reduceat(height, starts)
    bottom = np.minimum.reduceat(height, starts)
    return pack(np.concatenate([_runs(top, 1), _runs(bottom, 2)]))


def sketch_text(text: str) -> bytes:
    """The sketch of a text: runs of five words, case and punctuation left out."""
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    runs = {" ".join(words[start : start + 5]) for start in range(max(1, len(words) - 4))}
    digests = (hashlib.blake2b(run.encode(), digest_size=8).digest() for run in runs)
    return pack(np.array([int.from_bytes(digest) for digest in digests], np.uint64))


def pack(hashes: Hashes) -> bytes:
    """Distinct hashes as a sketch: how many there are, then the smallest of them."""
    distinct = np.unique(hashes)
    return np.uint64(len(distinct)).tobytes() + distinct[:SIZE].tobytes()


def unpack(sketch: bytes) -> tuple[int, Hashes]:
    """The inverse of `pack`."""
    values = np.frombuffer(sketch, np.uint64)
    return int(values[0]), values[1:]


def _runs(voice: Ints, salt: int) -> Hashes:
    """(M,) hashes of the runs of intervals in a voice; repeated notes count once."""
    steps = np.diff(voice)
    steps = steps[steps != 0]
    count = max(0, len(steps) - _RUN + 1)
    value = np.full(count, salt, np.uint64)
    for offset in range(_RUN):
        value = _mix(value ^ (steps[offset : offset + count] + 128).astype(np.uint64))
    return value


def _mix(value: Hashes) -> Hashes:
    """splitmix64's finaliser (Steele, Lea & Flood 2014); unsigned arithmetic wraps as it should."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
