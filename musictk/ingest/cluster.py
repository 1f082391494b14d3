"""Near-duplicates: pairs of fingerprints with much in common, joined into clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Sketch
from musictk.ingest.fingerprint import SIZE, Fingerprint, unpack

# The smaller piece shares at least SHARE of its runs, and MARGIN runs more than that.
SHARE, MARGIN = 0.07, 45
CERTAIN = 0.9  # a share that is enough for the smallest piece
EVIDENCE = 12  # hashes in common below which no share is believed
_COMMON = 200  # a run found in more pieces than this is a commonplace and proposes no pair


def clusters(sketches: Sequence[Sketch]) -> dict[int, str]:
    """The cluster of every file: the smallest sha256 among those it is joined with."""
    parent = list(range(len(sketches)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for left, right in pairs(sketches):
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    keys: dict[int, str] = {}
    for index in sorted(range(len(sketches)), key=lambda index: sketches[index].sha256):
        keys.setdefault(root(index), sketches[index].sha256)
    return {sketch.file_id: keys[root(index)] for index, sketch in enumerate(sketches)}


def pairs(sketches: Sequence[Sketch]) -> Iterator[tuple[int, int]]:
    """Index pairs of near-duplicates, of the same kind."""
    prints = [unpack(sketch.data) for sketch in sketches]
    whole: dict[tuple[str, int], int] = {}
    for index, (sketch, found) in enumerate(zip(sketches, prints, strict=True)):
        first = whole.setdefault((sketch.kind, found.signature), index)
        if first != index:
            yield first, index
    for left, right in _candidates([found.hashes for found in prints]):
        if sketches[left].kind == sketches[right].kind and alike(prints[left], prints[right]):
            yield left, right


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether enough of the smaller piece stands in the larger one.

    A short piece must share a larger part: its few runs are met elsewhere by chance. Where sketches
    hold but a sample, the share counts less its standard error.
    """
    share, sample = containment(one, other)
    smaller = max(1, min(one.count, other.count))
    error = sqrt(share * (1 - share) / sample) if sample < smaller else 0.0
    enough = min(CERTAIN, SHARE + MARGIN / smaller)
    return share * sample >= EVIDENCE and share - error >= enough


def containment(one: Fingerprint, other: Fingerprint) -> tuple[float, int]:
    """The estimated share of the smaller piece's runs in the larger, and how many were looked at.

    Below the smaller of both sketches' largest hash each sketch is complete, so what they share
    there, over what the smaller has there, estimates the share in the whole.
    """
    edge = min(
        (int(each.hashes[-1]) for each in (one, other) if each.count > SIZE), default=2**32 - 1
    )
    left, right = (
        each.hashes[: np.searchsorted(each.hashes, np.uint32(edge), "right")]
        for each in (one, other)
    )
    sample = max(1, min(len(left), len(right)))
    return len(np.intersect1d(left, right, assume_unique=True)) / sample, sample


def _candidates(hashes: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int]]:
    """Pairs of pieces with at least EVIDENCE hashes in common, commonplaces left aside."""
    if not hashes:
        return
    owners = np.repeat(np.arange(len(hashes)), [len(values) for values in hashes])
    values = np.concatenate(hashes)
    order = np.lexsort((owners, values))
    owners, values = owners[order], values[order]
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    sizes = np.diff(np.append(starts, len(values)))
    found = []
    for size in np.unique(sizes[(sizes > 1) & (sizes <= _COMMON)]):
        groups = owners[starts[sizes == size][:, None] + np.arange(size)]  # (G, size)
        left, right = np.triu_indices(size, 1)
        found.append((groups[:, left].astype(np.int64) * len(hashes) + groups[:, right]).ravel())
    if not found:
        return
    codes, counts = np.unique(np.concatenate(found), return_counts=True)
    for code in codes[counts >= EVIDENCE].tolist():
        yield divmod(code, len(hashes))
