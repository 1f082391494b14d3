"""Pieces of the catalog as shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo, SpanInfo, load_path
from musictk.config import plain
from musictk.errors import MusictkError
from musictk.files import digest
from musictk.ingest.archives import read_member
from musictk.ingest.limits import Limits
from musictk.ingest.load import load_piece
from musictk.ingest.pool import Pool, Task, cpus
from musictk.ingest.reasons import RejectedError
from musictk.tokens import Tokenizer
from musictk.tokens.shards import Shard, open_shard, write_shard
from musictk.workspace import Workspace

_LIMITS = Limits(seconds=120.0, memory=6 << 30)  # of one piece: tokenizers are slow, and large
_PER_WORKER = 16  # pieces that make another worker worth its start


class Listener(Protocol):
    """Hears how far `tokenize` has come."""

    def tokenized(self, done: int, total: int) -> None: ...


def tokenize(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    split: str,
    listener: Listener | None = None,
    workers: int | None = None,
) -> Shard:
    """The shard of one split, made unless there is one of just these pieces.

    A tokenizer that learns does so first, see `learn`. A piece that it refuses is recorded as
    skipped. Raises MusictkError where no piece is left.
    """
    tokenizer = learn(catalog, workspace, tokenizer)
    pieces = catalog.pieces(split, tokenizer.reads)
    wanted = _digest(pieces)
    row = catalog.shard(tokenizer.fingerprint, split, pieces=wanted)
    if row is not None and workspace.resolve(row.path).is_file():
        return open_shard(workspace.resolve(row.path))
    if not pieces:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(
            f"there are no {split} pieces of kind {kinds}", "run: musictk ingest FOLDER"
        )
    path = (
        workspace.shards / f"{tokenizer.name}-{tokenizer.fingerprint}-{split}-{wanted}.safetensors"
    )
    skipped: list[SpanInfo] = []
    encoded = _encoded(workspace, tokenizer, pieces, skipped, listener, workers)
    write_shard(path, tokenizer, encoded)
    shard = open_shard(path)
    if not len(shard.files):
        path.unlink()
        raise MusictkError(
            f"tokenizer {tokenizer.name!r} can represent none of the {len(pieces)} {split} pieces",
            f"the first one: {skipped[0].skipped}",
        )
    spans = [
        SpanInfo(int(file), int(offset), int(length))
        for file, offset, length in zip(shard.files, shard.offsets[:-1], shard.lengths, strict=True)
    ]
    _keep(catalog, tokenizer)
    catalog.add_shard(
        tokenizer.fingerprint, split, wanted, workspace.relative(path), spans + skipped
    )
    return shard


def learn(catalog: Catalog, workspace: Workspace, tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, having learned from the training pieces if it is one that learns.

    What it learned from the same pieces before is taken from the catalog.
    """
    if not tokenizer.learns or tokenizer.learned is not None:
        return tokenizer
    pieces = catalog.pieces("train", tokenizer.reads)
    if not pieces:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(
            f"there are no train pieces of kind {kinds}", "run: musictk ingest FOLDER"
        )
    source = _digest(pieces)
    learned = catalog.learned(tokenizer.name, plain(tokenizer.config), source)
    if learned is None:
        learned = tokenizer.learn(load_piece(workspace, piece) for piece in pieces)
    ready = type(tokenizer)(tokenizer.config, learned)
    _keep(catalog, ready, source)
    return ready


def _keep(catalog: Catalog, tokenizer: Tokenizer, source: str | None = None) -> None:
    config = plain(tokenizer.config)
    catalog.add_tokenizer(tokenizer.fingerprint, tokenizer.name, config, tokenizer.learned, source)


def _digest(pieces: Sequence[PieceInfo]) -> str:
    return digest([[piece.id, piece.sha256] for piece in pieces])


def _encoded(
    workspace: Workspace,
    tokenizer: Tokenizer,
    pieces: Sequence[PieceInfo],
    skipped: list[SpanInfo],
    listener: Listener | None,
    workers: int | None,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """(file id, sequence) of every piece that can be encoded; the others go to `skipped`."""
    setup = {
        "name": tokenizer.name,
        "config": plain(tokenizer.config),
        "learned": tokenizer.learned,
    }
    count = workers or min(cpus(), 1 + len(pieces) // _PER_WORKER)
    tasks = (_task(workspace, piece) for piece in pieces)
    with Pool(replace(_LIMITS), count, setup) as pool:
        for done, (task, (answer, blob)) in enumerate(pool.run(tasks), 1):
            if (code := answer.get("code")) is not None:
                reason = f"{code}: {answer['detail']}" if answer["detail"] else str(code)
                skipped.append(SpanInfo(task.tag, 0, 0, skipped=reason))
            else:
                yield task.tag, np.frombuffer(blob, answer["dtype"]).reshape(answer["shape"])
            if listener is not None:
                listener.tokenized(done, len(pieces))


def _task(workspace: Workspace, piece: PieceInfo) -> Task:
    path = workspace.resolve(load_path(piece.path))
    message = {"do": "encode", "kind": piece.kind, "path": str(path)}
    if piece.member is None:
        return Task(message, tag=piece.id)
    try:
        return Task(message, read_member(path, load_path(piece.member), _LIMITS), tag=piece.id)
    except RejectedError as refused:
        answer = {"code": refused.reason, "detail": refused.detail}
        return Task(message, tag=piece.id, answer=(answer, b""))
