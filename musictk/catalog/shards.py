"""Tokenizers, and the shards they encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from musictk.catalog.database import Database
from musictk.catalog.models import ShardRow, SpanRow, TokenizerRow
from musictk.errors import MusictkError


@dataclass(frozen=True)
class SpanInfo:
    """Where one piece is in a shard; a skipped one has length 0 and a reason."""

    file_id: int
    offset: int
    length: int
    augment: str = ""
    skipped: str | None = None


class Shards(Database):
    """Which pieces are encoded, by which tokenizer, and where."""

    def add_tokenizer(
        self,
        fingerprint: str,
        name: str,
        config: Mapping[str, Any],
        learned: str | None = None,
        learned_from: str | None = None,
    ) -> TokenizerRow:
        """Record a tokenizer; a known one is unchanged."""
        with self.writing() as session:
            found = _tokenizer(session, fingerprint)
            if found is None:
                found = TokenizerRow(
                    fingerprint=fingerprint,
                    name=name,
                    config=dict(config),
                    learned=learned,
                    learned_from=learned_from,
                )
                session.add(found)
        return found

    def tokenizer(self, fingerprint: str) -> TokenizerRow:
        """The tokenizer with that fingerprint; raises MusictkError where there is none."""
        with self.reading() as session:
            found = _tokenizer(session, fingerprint)
        if found is None:
            raise MusictkError(
                f"no tokenizer {fingerprint} in this catalog", "run: musictk tokenize"
            )
        return found

    def learned(self, name: str, config: Mapping[str, Any], learned_from: str) -> str | None:
        """The state that a tokenizer has learned from exactly these pieces; else None."""
        query = select(TokenizerRow).where(
            TokenizerRow.name == name, TokenizerRow.learned_from == learned_from
        )
        with self.reading() as session:
            rows = session.scalars(query.order_by(TokenizerRow.id.desc()))
            return next((row.learned for row in rows if row.config == dict(config)), None)

    def shard(
        self, fingerprint: str, split: str, augment: str = "", pieces: str | None = None
    ) -> ShardRow | None:
        """The newest such shard; with `pieces`, only one of the pieces with that digest."""
        query = (
            select(ShardRow)
            .join(TokenizerRow)
            .where(TokenizerRow.fingerprint == fingerprint)
            .where(ShardRow.split == split, ShardRow.augment == augment)
            .options(selectinload(ShardRow.tokenizer))
            .order_by(ShardRow.id.desc())
        )
        if pieces is not None:
            query = query.where(ShardRow.pieces == pieces)
        with self.reading() as session:
            return session.scalars(query.limit(1)).first()

    def add_shard(
        self,
        fingerprint: str,
        split: str,
        pieces: str,
        path: str,
        spans: Sequence[SpanInfo],
        augment: str = "",
    ) -> ShardRow:
        """Record a shard written to `path`; replaces the previous one at that path.

        Raises MusictkError for an unknown tokenizer.
        """
        with self.writing() as session:
            tokenizer = _tokenizer(session, fingerprint)
            if tokenizer is None:
                raise MusictkError(f"no tokenizer {fingerprint} in this catalog")
            old = session.scalar(select(ShardRow).where(ShardRow.path == path))
            if old is not None:
                for span in session.scalars(select(SpanRow).where(SpanRow.shard_id == old.id)):
                    session.delete(span)
                session.delete(old)
                session.flush()
            row = ShardRow(
                tokenizer_id=tokenizer.id,
                split=split,
                augment=augment,
                pieces=pieces,
                path=path,
                length=sum(span.length for span in spans),
                tokenizer=tokenizer,
            )
            session.add(row)
            session.flush()
            session.add_all(SpanRow(shard_id=row.id, **vars(span)) for span in spans)
        return row

    def shards(self) -> list[ShardRow]:
        """Every shard, oldest first."""
        query = select(ShardRow).options(selectinload(ShardRow.tokenizer)).order_by(ShardRow.id)
        with self.reading() as session:
            return list(session.scalars(query))

    def spans_at(self, path: str) -> list[SpanInfo]:
        """The spans of the shard that was written to `path`; none where there was none."""
        with self.reading() as session:
            found = session.scalar(select(ShardRow.id).where(ShardRow.path == path))
        return [] if found is None else self.spans(found)

    def spans(self, shard_id: int) -> list[SpanInfo]:
        """The spans of a shard, skipped pieces included, in the order of the shard."""
        query = select(SpanRow).where(SpanRow.shard_id == shard_id).order_by(SpanRow.id)
        with self.reading() as session:
            return [
                SpanInfo(span.file_id, span.offset, span.length, span.augment, span.skipped)
                for span in session.scalars(query)
            ]


def _tokenizer(session: Session, fingerprint: str) -> TokenizerRow | None:
    return session.scalar(select(TokenizerRow).where(TokenizerRow.fingerprint == fingerprint))
