"""The catalog's pieces, encoded and cut into crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musictk.catalog import SPLITS, Catalog
from musictk.config import build
from musictk.errors import MusictkError
from musictk.ingest import learn, tokenize
from musictk.ingest.encode import EncodeListener, Variation
from musictk.jobs.corpus import DataSettings, condition_ids, require_pieces, weighted
from musictk.model.conditions import Conditions
from musictk.plugin import registry
from musictk.tokens import Frames, Tokenizer
from musictk.tokens.augment import Augment, AugmentSettings
from musictk.tokens.crops import Crops
from musictk.tokens.shards import Shard, open_shard
from musictk.workspace import Workspace


def fitted(
    catalog: Catalog, workspace: Workspace, name: str, config: Mapping[str, Any]
) -> Tokenizer:
    """The tokenizer called `name`, having learned from the training pieces if it is one to."""
    kind = registry().load("tokenizer", name)
    tokenizer: Tokenizer = kind(build(kind.Config, config, name))
    require_pieces(catalog, tokenizer.reads)
    return learn(catalog, workspace, tokenizer)


def crops(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    split: str,
    conditions: Conditions,
    data: DataSettings,
    listener: EncodeListener | None = None,
) -> Crops:
    """A split as it is now, as crops. Only training is weighted and varied."""
    shards = make_shards(catalog, workspace, tokenizer, data, (split,), listener)
    return open_crops(catalog, workspace, tokenizer, shards, split, conditions, data)


def make_shards(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    data: DataSettings,
    splits: Sequence[str],
    listener: EncodeListener | None = None,
) -> dict[str, str]:
    """Where the pieces of each split lie now, encoded; a split without pieces has none."""
    present = {piece.split for piece in require_pieces(catalog, tokenizer.reads).values()}
    shards = {}
    for split in (split for split in splits if split in present or split == "train"):
        varied = variations(data) if split == "train" else ()
        shard = tokenize(catalog, workspace, tokenizer, split, listener, variations=varied)
        shards[split] = workspace.relative(shard.path)
    return shards


def open_crops(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    shards: Mapping[str, str],
    split: str,
    conditions: Conditions,
    data: DataSettings,
) -> Crops:
    """One of the `shards` as crops, whatever the catalog has come to hold since they were made.

    Raises MusictkError where a shard, or one of its pieces, is gone.
    """
    training = split == "train"
    if split in shards:
        shard = open_shard(workspace.resolve(shards[split]))
    else:
        shard = empty_shard(tokenizer)
    pieces = require_pieces(catalog, tokenizer.reads)
    if gone := set(shard.files.tolist()) - pieces.keys():
        raise MusictkError(
            f"{len(gone)} of the pieces in {shard.path.name} left the catalog",
            "ingest them again, or go on without them: musictk train --from RUN",
        )
    augment = AugmentSettings(data.transpose, data.velocity) if training else AugmentSettings()
    shown = data if training else DataSettings(balance=0)
    return Crops(
        shard,
        condition_ids(pieces, shard, conditions),
        weighted(pieces, shard, shown),
        Augment(tokenizer, augment) if augment != AugmentSettings() else None,
        data.cache,
        shown.draw,
    )


def variations(data: DataSettings) -> tuple[Variation, ...]:
    """What stands in the training shard beside each piece as it is."""
    slower = [Variation(stretch=factor) for factor in data.stretch]
    return (*slower, *(Variation(semitones=shift) for shift in data.keys))


def tokenize_all(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    config: Mapping[str, Any],
    listener: EncodeListener | None = None,
) -> list[dict[str, Any]]:
    """Encode every split; says of each how much there is and where it lies."""
    tokenizer = fitted(catalog, workspace, name, config)
    present = {piece.split for piece in catalog.pieces(reads=tokenizer.reads)}
    rows = []
    for split in (split for split in SPLITS if split in present):
        shard = tokenize(catalog, workspace, tokenizer, split, listener)
        path = workspace.relative(shard.path)
        rows.append(
            {
                "split": split,
                "pieces": len(shard.files),
                "refused": sum(bool(span.skipped) for span in catalog.spans_at(path)),
                "positions": int(shard.lengths.sum()),
                "fingerprint": shard.fingerprint,
                "path": path,
            }
        )
    return rows


def empty_shard(tokenizer: Tokenizer) -> Shard:
    """A split without pieces: a corpus can be too small to keep music back."""
    none = np.zeros(0, np.int64)
    sequence = np.zeros((0, 1), np.uint8) if isinstance(tokenizer.space, Frames) else none
    offsets = np.zeros(1, np.int64)
    return Shard(Path(), tokenizer.fingerprint, tokenizer.space, sequence, offsets, none)
