"""The catalog's pieces as crops to train and score on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo
from musictk.config import build, require
from musictk.errors import MusictkError, UnknownNameError
from musictk.model.conditions import Conditions
from musictk.plugin import registry
from musictk.tokens import Tokenizer, Tokens
from musictk.tokens.augment import AugmentSettings
from musictk.tokens.crops import Draw
from musictk.tokens.shards import Shard

_PIECES, _LOOKED_AT = 8, 1024  # pieces, and positions of each, that `idle` tries


@dataclass(frozen=True)
class DataSettings:
    """How the corpus is shown to the model (`--set data.…`)."""

    threshold: int = 10  # pieces a label needs for a vector of its own; the rest share OTHER
    draw: Draw = "positions"  # what is shown equally often; within a piece positions always are
    balance: float = 0.5  # 0 shows composers as often as they are; 1 all of them equally
    transpose: int = 3  # each window by up to so many semitones, up or down
    velocity: int = 0  # each window by up to so many velocity steps
    stretch: tuple[float, ...] = ()  # whole pieces once more, so many times as long
    keys: tuple[int, ...] = ()  # whole pieces once more, moved by so many semitones
    cache: int = 0  # pieces of frames kept unpacked (seed 000's LRU cache)

    def __post_init__(self) -> None:
        AugmentSettings(self.transpose, self.velocity)  # checks both
        require(self.threshold >= 1, "data", "threshold", self.threshold, "at least 1")
        require(0 <= self.balance <= 1, "data", "balance", self.balance, "from 0 to 1")
        require(self.cache >= 0, "data", "cache", self.cache, "0 or more")
        for factor in self.stretch:
            fits = 0.25 <= factor <= 4 and factor != 1
            require(fits, "data", "stretch", factor, "from 0.25 to 4, and not 1")
        for shift in self.keys:
            allowed = "from -60 to 60, and not 0"
            require(0 < abs(shift) <= 60, "data", "keys", shift, allowed)


def idle(tokenizer: Tokenizer, shard: Shard, data: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of `transpose`, `velocity` and `stretch` change nothing in this shard.

    Default settings count for music only: nobody expects text to be transposed.
    """
    wanted, music = build(DataSettings, data, "data"), "midi" in tokenizer.reads
    files = list(dict.fromkeys(shard.files.tolist()))[:_PIECES]
    groups = [
        [shard.piece(index) for index in np.flatnonzero(shard.files == file).tolist()]
        for file in files
    ]
    crops = [pieces[0][:_LOOKED_AT] for pieces in groups]
    moves = any(tokenizer.transpose(crop, by) is not None for crop in crops for by in (1, -1))
    louder = any(
        not np.array_equal(tokenizer.shift_velocity(crop, by), crop)
        for crop in crops
        for by in (16, -16)
    )
    alike = all(len({piece.tobytes() for piece in group}) < len(group) for group in groups)
    does_nothing = {
        "transpose": wanted.transpose > 0 and (music or "transpose" in data) and not moves,
        "velocity": wanted.velocity > 0 and not louder,
        "stretch": bool(wanted.stretch) and alike,
    }
    return tuple(name for name, nothing in does_nothing.items() if nothing)


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


def weighted(
    pieces: Mapping[int, PieceInfo], shard: Shard, data: DataSettings
) -> NDArray[np.float64]:
    """(P,) weight of each piece's positions, or of each piece, as `data.draw` says.

    It is the composer's share (of positions, or of pieces) to the power −balance.
    """
    composers = [pieces[file].composer for file in shard.files.tolist()]
    lengths = np.maximum(shard.lengths + isinstance(shard.space, Tokens), 1)  # with its eos
    shares = lengths if data.draw == "positions" else np.ones(len(lengths))
    totals: Counter[str | None] = Counter()
    for composer, share in zip(composers, shares.tolist(), strict=True):
        totals[composer] += share
    return np.array([totals[composer] ** -data.balance for composer in composers], np.float64)


def require_pieces(catalog: Catalog, reads: frozenset[str]) -> dict[int, PieceInfo]:
    """Every accepted piece by id; raises MusictkError where there is none."""
    pieces = {piece.id: piece for piece in catalog.pieces(reads=reads)}
    if not pieces:
        hint = "read some in first: musictk ingest ./midis"
        if readers := _readers(catalog):
            hint += f"; or train on what it holds with --tokenizer {' or '.join(readers)}"
        raise MusictkError(f"the catalog holds no {' or '.join(sorted(reads))} files", hint)
    return pieces


def _readers(catalog: Catalog) -> list[str]:
    """The tokenizers that read some of what the catalog holds."""
    held = {kind for kind, count in catalog.summary()["kinds"].items() if count}
    names = [offer.name for offer in registry().offers("tokenizer")]
    return [name for name in names if registry().load("tokenizer", name).reads & held]
