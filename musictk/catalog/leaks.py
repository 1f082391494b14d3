"""Near-duplicates in two splits, found from the sketches alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from musictk.catalog.grouping import COMPARED, SHARED
from musictk.catalog.postings import read_sketch
from musictk.catalog.records import FileSketch
from musictk.sketches import Sketch, are_near_duplicates, index_keys

Ints = NDArray[np.int64]


def find_leaks(sketches: Sequence[FileSketch]) -> list[tuple[FileSketch, FileSketch]]:
    """Pairs of near-duplicates in two splits; of many versions, only pairs that connect them."""
    parent = list(range(len(sketches)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    parsed = [read_sketch(sketch.data) for sketch in sketches]  # `Catalog.check` reports None
    found = []
    for left, right in _candidates(sketches, parsed):
        one, other = parsed[left], parsed[right]
        if root(left) != root(right) and one and other and are_near_duplicates(one, other):
            parent[root(right)] = root(left)
            found.append((sketches[left], sketches[right]))
    return found


def _candidates(
    sketches: Sequence[FileSketch], parsed: Sequence[Sketch | None]
) -> Iterator[tuple[int, int]]:
    """Index pairs of one kind in two splits that share two keys, or the key of the whole piece."""
    keys = [_weighted_keys(sketch) for sketch in parsed]
    lengths = [len(each) for each in keys]
    stops = np.cumsum(lengths)
    owners = np.repeat(np.arange(len(keys)), lengths)
    flat = np.concatenate([np.zeros(0, np.int64), *keys])
    order = np.lexsort((owners, flat))
    place = np.empty_like(order)  # of each key of each piece, in the order of keys
    place[order] = np.arange(len(order))
    owners, ordered = owners[order], flat[order]
    ends = ordered.searchsorted(flat, "right")  # where the pieces with each key end
    splits = _codes([f"{sketch.kind} {sketch.split}" for sketch in sketches])
    kinds = _codes([sketch.kind for sketch in sketches])
    for index, stop in enumerate(stops.tolist()):
        own = slice(stop - lengths[index], stop)
        later = [
            owners[start + 1 : end]
            for start, end in zip(place[own].tolist(), ends[own].tolist(), strict=True)
            if end > start + 1
        ]
        if not later:
            continue
        others = np.concatenate(later)
        others = others[(splits[others] != splits[index]) & (kinds[others] == kinds[index])]
        yield from ((index, other) for other in _most_shared(others))


def _weighted_keys(sketch: Sketch | None) -> Ints:
    """The keys of a piece; that of the whole piece twice, in two forms, so that it is enough."""
    if sketch is None:
        return np.zeros(0, np.int64)
    whole, *runs = index_keys(sketch)
    return np.array([whole, -whole, *runs], np.int64)


def _codes(values: Sequence[str]) -> NDArray[np.intp]:
    return np.unique(values, return_inverse=True)[1]


def _most_shared(others: Ints) -> list[int]:
    """The pieces that occur at least twice, the most frequent first, no more than COMPARED."""
    pieces, counts = np.unique(others, return_counts=True)
    pieces, counts = pieces[counts >= SHARED], counts[counts >= SHARED]
    chosen: list[int] = pieces[np.lexsort((pieces, -counts))][:COMPARED].tolist()
    return chosen
