"""Encode pieces of the catalog into shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo, SpanInfo
from musictk.config import plain
from musictk.errors import MusictkError
from musictk.files import digest
from musictk.ingest.load import PieceLoader, find_location
from musictk.reading.archives import MemberReader
from musictk.reading.limits import Limits
from musictk.reading.pool import Pool, WorkerTask, cpus
from musictk.reading.reasons import RejectedError
from musictk.tokens import Tokenizer
from musictk.tokens.shards import Shard, open_shard, write_shard
from musictk.workspace import Workspace

_LIMITS = Limits(seconds=120.0, memory=6 << 30)  # per piece: tokenizers may be slow and large
_PER_WORKER = 16  # pieces for which another worker is worth starting


@dataclass(frozen=True)
class Variation:
    """A change of key and tempo with which a whole piece is encoded."""

    semitones: int = 0
    stretch: float = 1.0  # factor of the duration

    def __str__(self) -> str:
        shift = [f"transpose={self.semitones:+d}"] if self.semitones else []
        return " ".join([*shift, *([f"stretch={self.stretch:g}"] if self.stretch != 1 else [])])


UNCHANGED = Variation()


class EncodeListener(Protocol):
    """Receives the progress of `tokenize`."""

    def tokenized(self, done: int, total: int) -> None: ...


def tokenize(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    split: str,
    listener: EncodeListener | None = None,
    workers: int | None = None,
    variations: Sequence[Variation] = (),
    pieces: Sequence[PieceInfo] | None = None,
) -> Shard:
    """The shard of one split; encoded unless a shard of exactly these pieces exists.

    It contains each piece unchanged, and once more for each of the `variations`, which are recorded
    in the spans. A tokenizer that learns is trained first, see `learn`. A piece that the tokenizer
    refuses is recorded as skipped. `pieces` are those of the split that the tokenizer reads; by
    default they are read from the catalog. Raises MusictkError if the file of a piece is missing,
    or no piece is left.
    """
    tokenizer = learn(catalog, workspace, tokenizer)
    if pieces is None:
        pieces = catalog.pieces(split, tokenizer.reads)
    wanted = _digest(pieces)
    augment = ", ".join(map(str, variations))
    row = catalog.shard(tokenizer.fingerprint, split, augment, wanted)
    if row is not None and workspace.resolve(row.path).is_file():
        return open_shard(workspace.resolve(row.path))
    if not pieces:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(
            f"there are no {split} pieces of kind {kinds}", "run: musictk ingest FOLDER"
        )
    name = f"{tokenizer.name}-{tokenizer.fingerprint}-{split}-{digest([wanted, augment])}"
    path = workspace.shards / f"{name}.safetensors"
    skipped: list[SpanInfo] = []
    varied: list[str] = []  # of each piece that is kept
    tasks = _tasks(workspace, pieces, (UNCHANGED, *variations))
    total = len(pieces) * (1 + len(variations))
    encoded = _encoded(tokenizer, tasks, total, skipped, varied, listener, workers)
    write_shard(path, tokenizer, encoded)
    shard = open_shard(path)
    if not len(shard.files):
        path.unlink()
        raise MusictkError(
            f"tokenizer {tokenizer.name!r} can represent none of the {len(pieces)} {split} pieces",
            f"the first one: {skipped[0].skipped}",
        )
    spans = [
        SpanInfo(int(file), int(offset), int(length), augment=how)
        for file, offset, length, how in zip(
            shard.files, shard.offsets[:-1], shard.lengths, varied, strict=True
        )
    ]
    _keep(catalog, tokenizer)
    kept = workspace.relative(path)
    catalog.add_shard(tokenizer.fingerprint, split, wanted, kept, spans + skipped, augment)
    return shard


def learn(
    catalog: Catalog,
    workspace: Workspace,
    tokenizer: Tokenizer,
    pieces: Sequence[PieceInfo] | None = None,
) -> Tokenizer:
    """The tokenizer, trained on the training pieces if it has to learn.

    State that was already learned from the same pieces is read from the catalog. `pieces` are the
    training pieces that it reads; by default they are read from the catalog. Raises MusictkError
    where there are none.
    """
    if not tokenizer.learns or tokenizer.learned is not None:
        return tokenizer
    if pieces is None:
        pieces = catalog.pieces("train", tokenizer.reads)
    if not pieces:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(
            f"there are no train pieces of kind {kinds}", "run: musictk ingest FOLDER"
        )
    source = _digest(pieces)
    learned = catalog.learned(tokenizer.name, plain(tokenizer.config), source)
    if learned is None:
        learned = tokenizer.learn(map(PieceLoader(workspace).load, pieces))
    ready = type(tokenizer)(tokenizer.config, learned)
    _keep(catalog, ready, source)
    return ready


def _keep(catalog: Catalog, tokenizer: Tokenizer, source: str | None = None) -> None:
    config = plain(tokenizer.config)
    catalog.add_tokenizer(tokenizer.fingerprint, tokenizer.name, config, tokenizer.learned, source)


def _digest(pieces: Sequence[PieceInfo]) -> str:
    return digest([[piece.id, piece.sha256] for piece in pieces])


def _encoded(
    tokenizer: Tokenizer,
    tasks: Iterator[WorkerTask],
    total: int,
    skipped: list[SpanInfo],
    varied: list[str],
    listener: EncodeListener | None,
    workers: int | None,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """(file id, sequence) of every piece that can be encoded; others are added to `skipped`."""
    setup = {
        "name": tokenizer.name,
        "config": plain(tokenizer.config),
        "learned": tokenizer.learned,
    }
    count = workers or min(cpus(), 1 + total // _PER_WORKER)
    with Pool(_LIMITS, count, setup) as pool:
        for done, (task, (answer, blob)) in enumerate(pool.run(tasks), 1):
            file, variation = task.tag
            if (code := answer.get("code")) is not None:
                reason = f"{code}: {answer['detail']}" if answer["detail"] else str(code)
                skipped.append(SpanInfo(file, 0, 0, str(variation), reason))
            else:
                varied.append(str(variation))
                yield file, np.frombuffer(blob, answer["dtype"]).reshape(answer["shape"])
            if listener is not None:
                listener.tokenized(done, total)


def _tasks(
    workspace: Workspace, pieces: Sequence[PieceInfo], variations: Sequence[Variation]
) -> Iterator[WorkerTask]:
    """The tasks of every piece. Raises MusictkError before the first if a file is missing.

    The bytes of an archive's members are read when they are needed: all may not fit in memory.
    """
    places = [find_location(workspace, piece) for piece in pieces]
    members = MemberReader(_LIMITS)
    return (
        task
        for piece, (path, member) in zip(pieces, places, strict=True)
        for task in _of_piece(piece, path, member, members, variations)
    )


def _of_piece(
    piece: PieceInfo,
    path: Path,
    member: str | None,
    members: MemberReader,
    variations: Sequence[Variation],
) -> Iterator[WorkerTask]:
    data = answer = None
    if member is not None:
        try:
            data = members.read(path, member)
        except RejectedError as refused:
            answer = {"code": refused.reason, "detail": refused.detail}, b""
    for each in variations:
        message = {"do": "encode", "kind": piece.kind, "path": str(path), **asdict(each)}
        yield WorkerTask(message, data, tag=(piece.id, each), answer=answer)
