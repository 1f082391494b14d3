"""The catalog's pieces as windows to train and score on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError, UnknownNameError
from musictk.model.conditions import Conditions
from musictk.tokens.shards import Shard


@dataclass(frozen=True)
class DataSettings:
    """How the corpus is shown to the model (`--set data.…`)."""

    threshold: int = 10  # pieces a label needs for a vector of its own; the rest share OTHER
    balance: float = 0.5  # 0 shows composers as often as they are; 1 all of them equally
    transpose: int = 3  # each window by up to so many semitones, up or down
    velocity: int = 0  # each window by up to so many velocity steps
    stretch: tuple[float, ...] = ()  # whole pieces once more, so many times as long
    keys: tuple[int, ...] = ()  # whole pieces once more, moved by so many semitones
    cache: int = 0  # pieces of frames kept unpacked (seed 000's LRU cache)


def labels_of(piece: PieceInfo, category: str) -> str | None:
    """The label of a piece in a category; `composer` is one like any other."""
    return piece.composer if category == "composer" else piece.labels.get(category)


def count_conditions(
    pieces: Iterable[PieceInfo], categories: Sequence[str], threshold: int
) -> Conditions:
    """The conditions a model trained on these pieces can know, counted over the training split.

    A label that only held-out pieces have is known too, and shares OTHER. Raises UnknownNameError
    for a category that no piece has a label of.
    """
    known: dict[str, Counter[str]] = {"composer": Counter()}
    for piece in pieces:
        for category in ("composer", *piece.labels):
            if (label := labels_of(piece, category)) is not None:
                known.setdefault(category, Counter())[label] += piece.split == "train"
    for category in categories:
        if category not in known:
            raise UnknownNameError("label category", category, known)
    return Conditions.count({category: known[category] for category in categories}, threshold)


def condition_ids(
    pieces: Mapping[int, PieceInfo], shard: Shard, conditions: Conditions
) -> NDArray[np.int64]:
    """(P, K) ids of the shard's pieces. A label the model does not know is unconditional."""
    rows = []
    for file in shard.files.tolist():
        chosen = {}
        for name in conditions.labels:
            label = labels_of(pieces[file], name)
            if label is not None and conditions.knows(name, label):
                chosen[name] = label
        rows.append(conditions.ids(chosen))
    return np.array(rows, np.int64).reshape(len(rows), len(conditions.labels))


def balanced(pieces: Mapping[int, PieceInfo], shard: Shard, balance: float) -> NDArray[np.float64]:
    """(P,) weight of a position of each piece: its composer's positions to the power −balance."""
    composers = [pieces[file].composer for file in shard.files.tolist()]
    totals: Counter[str | None] = Counter()
    for composer, length in zip(composers, shard.lengths.tolist(), strict=True):
        totals[composer] += length
    return np.array([max(totals[composer], 1) ** -balance for composer in composers], np.float64)


def require_pieces(catalog: Catalog, reads: frozenset[str]) -> dict[int, PieceInfo]:
    """Every accepted piece by id; raises MusictkError where there is none, with the mend."""
    pieces = {piece.id: piece for piece in catalog.pieces(reads=reads)}
    if not pieces:
        raise MusictkError(
            f"the catalog holds no {' or '.join(sorted(reads))} files",
            "read some in first: musictk ingest ./midis",
        )
    return pieces
