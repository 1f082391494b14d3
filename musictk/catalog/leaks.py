"""Near-duplicates that lie in two splits, found from the sketches alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from musictk.catalog.records import FileSketch
from musictk.sketches import Sketch, are_near_duplicates, index_keys, is_whole_piece, parse_sketch

_SHARED = 2  # index_keys in common that make a pair worth comparing
_CROWD = 64  # pieces under one key above which each is compared with one of every split


def find_leaks(sketches: Sequence[FileSketch]) -> list[tuple[FileSketch, FileSketch]]:
    """Pairs of one piece in two splits; of many versions, only pairs that connect them."""
    parent = list(range(len(sketches)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    prints = [_unpacked(sketch) for sketch in sketches]
    found = []
    for left, right in _candidates(sketches, prints):
        one, other = prints[left], prints[right]
        if root(left) != root(right) and one and other and are_near_duplicates(one, other):
            parent[root(right)] = root(left)
            found.append((sketches[left], sketches[right]))
    return found


def _unpacked(sketch: FileSketch) -> Sketch | None:
    try:
        return parse_sketch(sketch.data)
    except ValueError:
        return None  # `Catalog.check` names it


def _candidates(
    sketches: Sequence[FileSketch], prints: Sequence[Sketch | None]
) -> Iterator[tuple[int, int]]:
    """Index pairs of one kind in two splits that share two index_keys, or all of their music."""
    held = [[] if found is None else index_keys(found) for found in prints]
    owners = np.repeat(np.arange(len(held)), [len(some) for some in held])
    flat = np.fromiter((key for some in held for key in some), np.int64, len(owners))
    splits = np.unique([sketch.split or "" for sketch in sketches], return_inverse=True)[1]
    order = np.lexsort((owners, flat))
    owners, flat = owners[order], flat[order]
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, len(flat))
    codes = []
    start = 0
    for end in ends.tolist():
        if end - start > 1:
            left, right = _across(owners[start:end], splits)
            weight = _SHARED if is_whole_piece(int(flat[start])) else 1
            codes += [left.astype(np.int64) * len(held) + right] * weight
        start = end
    if codes:
        pairs, counts = np.unique(np.concatenate(codes), return_counts=True)
        for code in pairs[counts >= _SHARED].tolist():
            left, right = divmod(code, len(held))
            if sketches[left].kind == sketches[right].kind:
                yield left, right


def _across(
    owners: NDArray[np.intp], splits: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of these pieces in two splits; in a crowd, all with the first of each split."""
    if len(owners) <= _CROWD:
        left, right = np.triu_indices(len(owners), 1)
    else:
        firsts = np.unique(splits[owners], return_index=True)[1]
        left, right = (grid.ravel() for grid in np.meshgrid(firsts, np.arange(len(owners))))
        left, right = np.minimum(left, right), np.maximum(left, right)
    left, right = owners[left], owners[right]
    apart = splits[left] != splits[right]
    return left[apart], right[apart]
