"""Sketches of pieces, and when two of them are one piece.

A sketch is a bottom-k sketch (Cohen & Kaplan 2007) of the runs of intervals in a piece, made by
`musictk.reading.sketching`: a signature of the whole (two words), the number of distinct runs,
and the smallest hashes in ascending order, all little-endian uint32.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

SIZE = 512  # hashes kept of a piece
# The smaller piece shares at least SHARE of its runs, and MARGIN runs more than that.
SHARE, MARGIN = 0.07, 45
CERTAIN = 0.9  # a share that is enough for the smallest piece
EVIDENCE = 12  # hashes in common below which no share is believed
EVERY = 8  # one hash in so many is a key: of 1,444 twin pairs in 3,319 files, 1,444 share two index_keys
_HEAD = 3  # words before the hashes
_WORD = 2**32


@dataclass(frozen=True)
class Sketch:
    """A sketch as numbers: equal signatures are the same music; else hashes are compared."""

    signature: int
    count: int  # distinct runs in the piece
    hashes: NDArray[np.uint32]  # (≤ SIZE,) the smallest, ascending


def parse_sketch(sketch: bytes) -> Sketch:
    """The numbers of a sketch; raises ValueError where the bytes are no sketch."""
    if len(sketch) < 4 * _HEAD or len(sketch) % 4:
        raise ValueError(f"a sketch of {len(sketch)} bytes")
    values = np.frombuffer(sketch, "<u4")
    hashes = values[_HEAD:]
    if len(hashes) != min(SIZE, int(values[2])) or bool(np.any(hashes[1:] <= hashes[:-1])):
        raise ValueError("a sketch whose hashes do not ascend, or of another number than it says")
    return Sketch(int(values[0]) << 32 | int(values[1]), int(values[2]), hashes)


def index_keys(found: Sketch) -> list[int]:
    """The index_keys under which a piece is indexed: its whole first, then a sample of its hashes.

    The sample is by the hash's own value, so that two pieces keep the same part of what they share.
    """
    return [_WORD + found.signature % _WORD, *found.hashes[found.hashes % EVERY == 0].tolist()]


def is_whole_piece(key: int) -> bool:
    """Whether a key stands for a whole piece, not for one run of intervals."""
    return key >= _WORD


def are_near_duplicates(one: Sketch, other: Sketch) -> bool:
    """Whether enough of the smaller piece stands in the larger one.

    A short piece must share a larger part: its few runs are met elsewhere by chance. Where sketches
    hold but a sample, the share counts less its standard error.
    """
    if one.signature == other.signature:
        return True
    share, sample = containment(one, other)
    smaller = max(1, min(one.count, other.count))
    error = sqrt(share * (1 - share) / sample) if sample < smaller else 0.0
    enough = min(CERTAIN, SHARE + MARGIN / smaller)
    return share * sample >= EVIDENCE and share - error >= enough


def containment(one: Sketch, other: Sketch) -> tuple[float, int]:
    """The estimated share of the smaller piece's runs in the larger, and how many were compared.

    Below the smaller of both sketches' largest hash each sketch is complete, so what they share
    there, over what the smaller has there, estimates the share in the whole.
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
