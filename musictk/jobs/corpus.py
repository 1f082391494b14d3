"""The catalog's pieces, read once per command, as training, scoring and export need them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.catalog import Catalog, PieceInfo
from musictk.controls import NO_CONTROLS, Controls, bar_table
from musictk.controls.arrangement import ROLE
from musictk.controls.part_table import part_index, part_shard
from musictk.errors import MusictkError, UnknownNameError
from musictk.ingest import PieceLoader, learn, tokenize
from musictk.ingest.encode import EncodeListener
from musictk.jobs.callbacks import OnProgress
from musictk.jobs.data import DataSettings
from musictk.model.conditions import Conditions
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.reading.kinds import KINDS
from musictk.tokens import Frames, Piece, Tokenizer, Tokens
from musictk.tokens.augment import Augment, AugmentSettings
from musictk.tokens.beside import TwoParts
from musictk.tokens.crops import Crops
from musictk.tokens.shards import Shard, open_shard
from musictk.workspace import Workspace

# Of training rows: some bars are to be written between given ones; one part beside another. Of the
# latter: between given bars of this part too.
_INFILLED, _BESIDE, _BETWEEN = 0.3, 0.15, 0.5


class Corpus:
    """All accepted pieces of a catalog, read once at the first use."""

    def __init__(self, catalog: Catalog, workspace: Workspace) -> None:
        self._catalog = catalog
        self._workspace = workspace
        self.unreadable: set[int] = set()  # ids of pieces that `music` left out

    @cached_property
    def pieces(self) -> Mapping[int, PieceInfo]:
        """Every accepted piece of any kind, by id."""
        kinds = frozenset(KINDS.values())
        return {piece.id: piece for piece in self._catalog.pieces(reads=kinds)}

    def select(self, kinds: Collection[str], split: str | None = None) -> list[PieceInfo]:
        """The pieces of these kinds (of one split), by ascending id."""
        return [
            piece
            for piece in self.pieces.values()
            if piece.kind in kinds and split in (None, piece.split)
        ]

    def require(self, kinds: Collection[str]) -> dict[int, PieceInfo]:
        """The pieces of these kinds, by id; raises MusictkError if there are none."""
        found = {piece.id: piece for piece in self.select(kinds)}
        if not found:
            hint = "add some with: musictk ingest ./midis"
            if readers := self._readers():
                hint += f"; or train on the files it has with --tokenizer {' or '.join(readers)}"
            raise MusictkError(f"the catalog has no {' or '.join(sorted(kinds))} files", hint)
        return found

    def load(self, piece: PieceInfo) -> Piece:
        """The music or text of a piece; raises MusictkError if its file cannot be read."""
        return PieceLoader(self._workspace).load(piece)

    def music(
        self, pieces: Sequence[PieceInfo], progress: OnProgress | None = None
    ) -> Iterator[tuple[PieceInfo, Piece]]:
        """Each piece with its music or text, in order; those that cannot be read are left out."""
        loader = PieceLoader(self._workspace)
        for done, info in enumerate(pieces, 1):
            try:
                piece = loader.load(info)
            except MusictkError:
                self.unreadable.add(info.id)
                continue
            finally:
                if progress is not None:
                    progress(done, len(pieces))
            yield info, piece

    def scores(
        self, pieces: Sequence[PieceInfo], progress: OnProgress | None = None
    ) -> Iterator[tuple[PieceInfo, ScoreTick]]:
        """Each piece that is no text with its music; those that cannot be read are left out."""
        for info, piece in self.music(pieces, progress):
            if not isinstance(piece, str):
                yield info, piece

    def tokenizer(self, name: str, config: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer called `name`, trained on the training pieces if it has to learn."""
        kind = registry().load("tokenizer", name)
        tokenizer: Tokenizer = make_component(kind, config)
        self.require(tokenizer.reads)
        pieces = self.select(tokenizer.reads, "train")
        return learn(self._catalog, self._workspace, tokenizer, pieces)

    def conditions(
        self, tokenizer: Tokenizer, categories: Sequence[str], threshold: int
    ) -> Conditions:
        """The conditions of a model that is trained on the pieces this tokenizer reads."""
        return count_conditions(self.require(tokenizer.reads).values(), categories, threshold)

    def shard(
        self,
        tokenizer: Tokenizer,
        split: str,
        data: DataSettings | None = None,
        listener: EncodeListener | None = None,
    ) -> Shard:
        """The encoded pieces of a split; those of train include the copies that `data` adds."""
        return tokenize(
            self._catalog,
            self._workspace,
            tokenizer,
            split,
            listener,
            variations=data.variations if data is not None and split == "train" else (),
            pieces=self.select(tokenizer.reads, split),
        )

    def shards(
        self,
        tokenizer: Tokenizer,
        data: DataSettings,
        splits: Sequence[str],
        listener: EncodeListener | None = None,
    ) -> dict[str, str]:
        """The path of each split's shard, relative to the workspace; missing shards are written.

        A split without pieces has none.
        """
        present = {piece.split for piece in self.require(tokenizer.reads).values()}
        return {
            split: self._workspace.relative(self.shard(tokenizer, split, data, listener).path)
            for split in splits
            if split in present or split == "train"
        }

    def crops(
        self,
        tokenizer: Tokenizer,
        split: str,
        conditions: Conditions,
        data: DataSettings,
        shards: Mapping[str, str] | None = None,
        controls: Controls = NO_CONTROLS,
    ) -> Crops:
        """The crops of a split. Only train is weighted and augmented, and has bar controls.

        They are cut from the split's shard in `shards`, by default from its current pieces. Raises
        MusictkError if the shard, or one of its pieces, is missing.
        """
        if shards is None:
            shards = self.shards(tokenizer, data, (split,))
        training = split == "train"
        known = split in shards
        shard = open_shard(self._workspace.resolve(shards[split])) if known else _empty(tokenizer)
        pieces = self.require(tokenizer.reads)
        if gone := set(shard.files.tolist()) - pieces.keys():
            raise MusictkError(
                f"{len(gone)} of the pieces in {shard.path.name} are no longer in the catalog",
                "ingest them again, or train without them: musictk train --from RUN",
            )
        augment = AugmentSettings(data.transpose, data.velocity) if training else AugmentSettings()
        weighting = data if training else DataSettings(balance=0)
        arranged = training and bool(controls)
        return Crops(
            shard,
            condition_ids(pieces, shard, conditions),
            piece_weights(pieces, shard, weighting),
            Augment(tokenizer, augment) if augment != AugmentSettings() else None,
            data.cache,
            weighting.draw,
            bar_table(tokenizer, shard, controls) if arranged else None,
            controls.infill(_INFILLED) if arranged else None,
            self._parts(tokenizer, shard, controls) if arranged else None,
        )

    def _parts(self, tokenizer: Tokenizer, shard: Shard, controls: Controls) -> TwoParts | None:
        """The parts of a shard's pieces, for rows in which one of them is given."""
        music = "midi" in tokenizer.reads and len(shard.files) > 0
        if not music or ROLE not in controls.names:  # separating all pieces would be for nothing
            return None
        parts = part_shard(tokenizer, shard, self._music)
        table, pieces = bar_table(tokenizer, parts, controls), part_index(shard, parts)
        return controls.beside(parts, table, pieces, _BESIDE, _BETWEEN)

    def _music(self, file: int) -> Piece | None:
        """The music of a piece; None where its file is gone, which a shard outlives."""
        try:
            return self.load(self.pieces[file])
        except MusictkError:
            return None

    def _readers(self) -> list[str]:
        """The tokenizers that can read at least one of the pieces."""
        kinds = {piece.kind for piece in self.pieces.values()}
        names = [offer.name for offer in registry().offers("tokenizer")]
        return [name for name in names if registry().load("tokenizer", name).reads & kinds]


def label_of(piece: PieceInfo, category: str) -> str | None:
    """The label of a piece in a category; `composer` is a category too."""
    return piece.composer if category == "composer" else piece.labels.get(category)


def known_labels(piece: PieceInfo, conditions: Conditions) -> dict[str, str]:
    """The labels of a piece, by category, that a model with these conditions knows."""
    labels = {category: label_of(piece, category) for category in conditions.labels}
    return {
        category: label
        for category, label in labels.items()
        if label is not None and conditions.knows(category, label)
    }


def count_conditions(
    pieces: Iterable[PieceInfo], categories: Sequence[str], threshold: int
) -> Conditions:
    """The conditions of a model that is trained on these pieces, counted over the training split.

    Labels that only occur in other splits are known too, and share OTHER. Raises UnknownNameError
    for a category in which no piece has a label.
    """
    counts: dict[str, Counter[str]] = {"composer": Counter()}
    pieces = list(pieces)
    for piece in pieces:
        for category in ("composer", *piece.labels):
            if (label := label_of(piece, category)) is not None:
                counts.setdefault(category, Counter())[label] += piece.split == "train"
    for category in categories:
        if category not in counts:
            raise UnknownNameError("label category", category, counts)
    found = Conditions.count({category: counts[category] for category in categories}, threshold)
    return replace(found, usual=_usual(pieces, categories))


def _usual(pieces: Iterable[PieceInfo], categories: Sequence[str]) -> dict[str, dict[str, str]]:
    """Of each composer, the labels of other categories that more than half of the pieces have."""
    totals: Counter[str] = Counter()
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for piece in pieces:
        if piece.split == "train" and (composer := label_of(piece, "composer")) is not None:
            totals[composer] += 1
            counts.setdefault(composer, Counter()).update(
                (name, label)
                for name in categories
                if name != "composer" and (label := label_of(piece, name)) is not None
            )
    return {
        composer: {name: label for (name, label), n in found.items() if 2 * n > totals[composer]}
        for composer, found in counts.items()
    }


def condition_ids(
    pieces: Mapping[int, PieceInfo], shard: Shard, conditions: Conditions
) -> NDArray[np.int64]:
    """(P, K) condition ids of the shard's pieces; 0 (unconditional) for unknown labels."""
    files = shard.files.tolist()
    rows = [conditions.ids(known_labels(pieces[file], conditions)) for file in files]
    return np.array(rows, np.int64).reshape(len(rows), len(conditions.labels))


def piece_weights(
    pieces: Mapping[int, PieceInfo], shard: Shard, data: DataSettings
) -> NDArray[np.float64]:
    """(P,) sampling weight of each piece's positions, or of each piece: see `data.draw`.

    It is the composer's share (of positions, or of pieces) to the power −balance.
    """
    composers = [pieces[file].composer for file in shard.files.tolist()]
    lengths = np.maximum(shard.lengths + isinstance(shard.space, Tokens), 1)  # with its eos
    shares = lengths if data.draw == "positions" else np.ones(len(lengths))
    totals: Counter[str | None] = Counter()
    for composer, share in zip(composers, shares.tolist(), strict=True):
        totals[composer] += share
    return np.array([totals[composer] ** -data.balance for composer in composers], np.float64)


def _empty(tokenizer: Tokenizer) -> Shard:
    """The shard of a split without pieces; small corpora have no validation split."""
    none = np.zeros(0, np.int64)
    sequence = np.zeros((0, 1), np.uint8) if isinstance(tokenizer.space, Frames) else none
    offsets = np.zeros(1, np.int64)
    return Shard(Path(), tokenizer.fingerprint, tokenizer.space, sequence, offsets, none)
