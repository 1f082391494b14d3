"""The catalog's pieces, encoded and cut into windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from musictk.catalog import SPLITS, Catalog
from musictk.config import build
from musictk.ingest import learn, tokenize
from musictk.ingest.encode import Listener, Variation
from musictk.jobs.corpus import DataSettings, condition_ids, require_pieces, weighted
from musictk.model.conditions import Conditions
from musictk.plugin import registry
from musictk.tokens import Tokenizer
from musictk.tokens.augment import Augment, AugmentSettings
from musictk.tokens.shards import Shard
from musictk.tokens.windows import Windows
from musictk.workspace import Workspace


def fitted(
    catalog: Catalog, workspace: Workspace, name: str, config: Mapping[str, Any]
) -> Tokenizer:
    """The tokenizer called `name`, having learned from the training pieces if it is one to."""
    kind = registry().load("tokenizer", name)
    tokenizer: Tokenizer = kind(build(kind.Config, config, name))
    require_pieces(catalog, tokenizer.reads)
    return learn(catalog, workspace, tokenizer)


def windows(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    split: str,
    conditions: Conditions,
    data: DataSettings,
    listener: Listener | None = None,
) -> Windows:
    """A split as windows. Only training is weighted and varied."""
    pieces = require_pieces(catalog, tokenizer.reads)
    training = split == "train"
    if any(piece.split == split for piece in pieces.values()):
        varied = variations(data) if training else ()
        shard = tokenize(catalog, workspace, tokenizer, split, listener, variations=varied)
    else:
        shard = _without_pieces(tokenize(catalog, workspace, tokenizer, "train", listener))
    augment = AugmentSettings(data.transpose, data.velocity) if training else AugmentSettings()
    return Windows(
        shard,
        condition_ids(pieces, shard, conditions),
        weighted(pieces, shard, data if training else DataSettings(balance=0)),
        Augment(tokenizer, augment) if augment != AugmentSettings() else None,
        data.cache,
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
    listener: Listener | None = None,
) -> list[dict[str, Any]]:
    """Encode every split; says of each how much there is and where it lies."""
    tokenizer = fitted(catalog, workspace, name, config)
    present = {piece.split for piece in catalog.pieces(reads=tokenizer.reads)}
    rows = []
    for split in (split for split in SPLITS if split in present):
        shard = tokenize(catalog, workspace, tokenizer, split, listener)
        rows.append(
            {
                "split": split,
                "pieces": len(shard.files),
                "positions": int(shard.lengths.sum()),
                "fingerprint": shard.fingerprint,
                "path": workspace.relative(shard.path),
            }
        )
    return rows


def _without_pieces(shard: Shard) -> Shard:
    """An empty split of the same encoding: a corpus can be too small to keep music back."""
    none = np.zeros(0, np.int64)
    return replace(shard, sequence=shard.sequence[:0], offsets=np.zeros(1, np.int64), files=none)
