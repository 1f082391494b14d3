"""Sketches of pieces, and the test for near-duplicates.

A sketch is a bottom-k sketch (Cohen & Kaplan 2007) of the runs of intervals in a piece, computed by
`musictk.reading.sketching`: a signature of the whole piece (two words), the number of distinct
runs, and the smallest hashes in ascending order, all little-endian uint32.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

SIZE = 512  # hashes kept of a piece
# Near-duplicates share at least SHARE of the smaller piece's runs, and MARGIN runs more.
SHARE, MARGIN = 0.07, 45
CERTAIN = 0.9  # a share that is enough for a piece of any size
EVIDENCE = 12  # hashes in common that are needed at least
EVERY = 8  # one hash in 8 is a key: all 1,444 near-duplicate pairs in 3,319 files share two keys
_HEAD = 3  # words before the hashes
_WORD = 2**32


@dataclass(frozen=True)
class Sketch:
    """A parsed sketch: equal signatures mean the same music; otherwise hashes are compared."""

    signature: int
    count: int  # distinct runs in the piece
    hashes: NDArray[np.uint32]  # (≤ SIZE,) the smallest, ascending


def parse_sketch(sketch: bytes) -> Sketch:
    """Parse the bytes of a sketch; raises ValueError where they are invalid."""
    if len(sketch) < 4 * _HEAD or len(sketch) % 4:
        raise ValueError(f"a sketch of {len(sketch)} bytes")
    values = np.frombuffer(sketch, "<u4")
    hashes = values[_HEAD:]
    if len(hashes) != min(SIZE, int(values[2])) or bool(np.any(hashes[1:] <= hashes[:-1])):
        raise ValueError("a sketch with unordered hashes, or with a wrong number of them")
    return Sketch(int(values[0]) << 32 | int(values[1]), int(values[2]), hashes)


def index_keys(found: Sketch) -> list[int]:
    """The keys under which a piece is indexed: the whole piece first, then a sample of its hashes.

    A hash is sampled by its value, so that two pieces sample the same ones of their common hashes.
    """
    return [
        _WORD + found.signature % _WORD,
        *found.hashes[found.hashes % np.uint32(EVERY) == 0].tolist(),
    ]


def is_whole_piece(key: int) -> bool:
    """Whether a key identifies a whole piece, not one run of intervals."""
    return key >= _WORD


def are_near_duplicates(one: Sketch, other: Sketch) -> bool:
    """Whether enough of the smaller piece's runs are in the larger one.

    A short piece must share a larger part, because a few common runs may be a coincidence. If the
    sketches are samples, the standard error of the share is subtracted.
    """
    if one.signature == other.signature:
        return True
    share, sample = containment(one, other)
    smaller = max(1, min(one.count, other.count))
    error = sqrt(share * (1 - share) / sample) if sample < smaller else 0.0
    enough = min(CERTAIN, SHARE + MARGIN / smaller)
    return share * sample >= EVIDENCE and share - error >= enough


def containment(one: Sketch, other: Sketch) -> tuple[float, int]:
    """The estimated share of the smaller piece's runs in the larger, and the number compared.

    Up to the smaller of both sketches' largest hashes each sketch is complete: the share of the
    smaller piece's hashes in this range that the larger piece has too is the estimate.
    """
    edge = min(
        (int(each.hashes[-1]) for each in (one, other) if each.count > SIZE), default=_WORD - 1
    )
    left, right = (
        each.hashes[: np.searchsorted(each.hashes, np.uint32(edge), "right")]
        for each in (one, other)
    )
    sample = max(1, min(len(left), len(right)))
    return len(np.intersect1d(left, right, assume_unique=True)) / sample, sample
