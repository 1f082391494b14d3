"""Encode every split of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musictk.catalog import SPLITS, Catalog
from musictk.catalog.typed_paths import typed_place
from musictk.ingest.encode import EncodeListener
from musictk.jobs.corpus import Corpus
from musictk.workspace import Workspace


@dataclass(frozen=True)
class EncodedSplit:
    """The shard of a split."""

    split: str
    pieces: int
    refused: int  # pieces that the tokenizer cannot represent
    reasons: dict[str, str]  # why, by the place of each of them
    positions: int
    fingerprint: str  # of the tokenizer
    path: str  # relative to the workspace


def tokenize_all(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    config: Mapping[str, Any],
    listener: EncodeListener | None = None,
) -> list[EncodedSplit]:
    """Encode every split that has pieces with the tokenizer called `name`."""
    corpus = Corpus(catalog, workspace)
    tokenizer = corpus.tokenizer(name, config)
    pieces = corpus.select(tokenizer.reads)
    present = {piece.split for piece in pieces}
    places = {piece.id: typed_place(piece.path, piece.member or "") for piece in pieces}
    found = []
    for split in (split for split in SPLITS if split in present):
        shard = corpus.shard(tokenizer, split, listener=listener)
        path = workspace.relative(shard.path)
        spans = catalog.spans_at(path)
        reasons = {places[span.file_id]: span.skipped for span in spans if span.skipped}
        found.append(
            EncodedSplit(
                split=split,
                pieces=len(shard.files),
                refused=len(reasons),
                reasons=reasons,
                positions=int(shard.lengths.sum()),
                fingerprint=shard.fingerprint,
                path=path,
            )
        )
    return found
