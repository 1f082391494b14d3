"""The tables, as SQLAlchemy 2 typed models. Paths are as `Workspace.relative` gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship

from musictk.catalog.columns import (
    CheckedBigInteger,
    CheckedBoolean,
    CheckedBytes,
    CheckedFloat,
    CheckedInteger,
    CheckedText,
    IntegerList,
    JsonObject,
    UtcDateTime,
)
from musictk.catalog.indices import LISTED_BY, PARTIAL
from musictk.catalog.names import from_column, name_key
from musictk.spelling import other_key, plain

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def when(moment: datetime | None, timespec: str = "auto") -> str | None:
    """A time in ISO 8601; None for a value that could not be read."""
    return moment.isoformat(timespec=timespec) if moment else None


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it at class creation)
        str: CheckedText,
        int: CheckedInteger,
        float: CheckedFloat,
        bool: CheckedBoolean,
        bytes: CheckedBytes,
        dict[str, Any]: JsonObject,
        list[int]: IntegerList,
        datetime: UtcDateTime,
    }

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-able values, without binary columns."""
        values = {
            column.name: getattr(self, column.name)
            for column in self.__table__.columns
            if not isinstance(column.type, CheckedBytes)
        }
        return {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in values.items()
        }


class Composer(Base):
    __tablename__ = "composers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)  # canonical: the first spelling seen
    aliases: Mapped[list[Alias]] = relationship(cascade="all, delete-orphan")


class Alias(Base):
    """A spelling of a composer's name; the canonical one has a row too."""

    __tablename__ = "aliases"

    key: Mapped[str] = mapped_column(primary_key=True)  # names.fold(spelling)
    spelling: Mapped[str]
    composer_id: Mapped[int] = mapped_column(ForeignKey("composers.id"), index=True)
    # The keys by which `spelling.same_spelling` compares.
    plain_key: Mapped[str | None] = mapped_column(
        index=True, default=from_column("spelling", plain)
    )
    other_key: Mapped[str | None] = mapped_column(
        index=True, default=from_column("spelling", other_key)
    )


class File(Base):
    """One content, at any number of locations."""

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str | None] = mapped_column(unique=True)  # None: its bytes could not be read
    kind: Mapped[str]  # midi | text | abc
    status: Mapped[str]  # accepted | rejected | missing
    code: Mapped[str | None]  # reject reason, see musictk.reading.reasons
    detail: Mapped[str | None]
    repair: Mapped[str | None]  # what was repaired in memory when it was read
    checks: Mapped[int]  # version of the checks it passed
    size: Mapped[int] = mapped_column(CheckedBigInteger)  # bytes
    title: Mapped[str]
    title_key: Mapped[str | None] = mapped_column(index=True, default=from_column("title", plain))
    path: Mapped[str | None]  # of its first location: lists are in this order; kept by a trigger
    last_path: Mapped[str | None]  # where it was before it was missing: ARCHIVE/MEMBER in one
    composer_id: Mapped[int | None] = mapped_column(ForeignKey("composers.id"))
    joined_from: Mapped[str | None]  # its composer before `alias` joined two names
    cluster: Mapped[str | None]  # smallest sha256 of its near-duplicates
    split: Mapped[str | None]  # train | valid | test
    official_split: Mapped[str | None]  # the one that a table of its data set gives
    notes: Mapped[int | None]
    tracks: Mapped[int | None]
    seconds: Mapped[float | None]
    bars: Mapped[int | None]
    metre: Mapped[str | None]  # the one with the longest duration, such as "3/4"
    tempo: Mapped[float | None]  # mean quarters per minute
    key: Mapped[str | None]  # such as "F# minor"
    ticks_per_quarter: Mapped[int | None]
    programs: Mapped[list[int] | None]  # General MIDI 0–127; drums are -1
    has_pedal: Mapped[bool | None]
    sketch: Mapped[bytes | None] = deferred(mapped_column())
    added_at: Mapped[datetime] = mapped_column(default=now)
    composer: Mapped[Composer | None] = relationship()
    locations: Mapped[list[Location]] = relationship(
        back_populates="file", order_by="Location.path, Location.member"
    )
    labels: Mapped[list[Label]] = relationship(order_by="Label.category")
    __table_args__ = (
        *(Index(None, *columns) for columns in LISTED_BY),
        Index(None, "cluster", "status", "split"),
        Index(None, "composer_id", "status", "kind", "split", "notes", "seconds", "bars"),
        *(Index(name, *columns, sqlite_where=text(where)) for name, columns, where in PARTIAL),
    )


class Location(Base):
    """Where a content is: a path, and the name of the member where that is an archive.

    An archive that was read to its end has its own row, with an empty member and no file.
    """

    __tablename__ = "places"

    path: Mapped[str] = mapped_column(primary_key=True)  # names.store_path, forward slashes
    member: Mapped[str] = mapped_column(primary_key=True, default="")
    name: Mapped[str | None] = mapped_column(index=True, default=from_column("path", name_key))
    size: Mapped[int] = mapped_column(CheckedBigInteger)
    mtime_ns: Mapped[int] = mapped_column(CheckedBigInteger)
    checks: Mapped[int]  # version of the checks it was examined with
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"), index=True)
    file: Mapped[File | None] = relationship(back_populates="locations")
    __table_args__ = (Index("ix_places_member", "member", sqlite_where=text("member != ''")),)


class Label(Base):
    """A categorical fact about a file; models can be conditioned on it."""

    __tablename__ = "labels"

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    category: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    __table_args__ = (Index(None, "category", "value"),)


class Outdated(Base):
    """A file whose text in the search index is outdated; triggers add it, see `search_index`."""

    __tablename__ = "outdated"

    file_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Posting(Base):
    """Inverted index of the sketches: which files have a key, see `musictk.sketches.index_keys`.

    A row of a removed file may remain; it is checked when used.
    """

    __tablename__ = "postings"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (the rows are their own index)

    key: Mapped[int] = mapped_column(CheckedBigInteger, primary_key=True, autoincrement=False)
    file_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class TokenizerRow(Base):
    """One exact encoding: name, config and learned state of a tokenizer."""

    __tablename__ = "tokenizers"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    config: Mapped[dict[str, Any]]
    learned: Mapped[str | None]
    learned_from: Mapped[str | None]  # digest of the pieces it was trained on


class ShardRow(Base):
    """The pieces of one split encoded by one tokenizer, in one file."""

    __tablename__ = "shards"

    id: Mapped[int] = mapped_column(primary_key=True)
    tokenizer_id: Mapped[int] = mapped_column(ForeignKey("tokenizers.id"))
    split: Mapped[str]
    augment: Mapped[str] = mapped_column(default="")  # augmentation of the pieces; "": none
    pieces: Mapped[str]  # digest of the requested pieces
    path: Mapped[str] = mapped_column(unique=True)
    length: Mapped[int] = mapped_column(CheckedBigInteger)  # tokens or frames in total
    made_at: Mapped[datetime] = mapped_column(default=now)
    tokenizer: Mapped[TokenizerRow] = relationship()
    __table_args__ = (UniqueConstraint("tokenizer_id", "split", "augment", "pieces"),)


class SpanRow(Base):
    """Where one piece is in a shard; a skipped piece has length 0 and a reason."""

    __tablename__ = "spans"

    id: Mapped[int] = mapped_column(primary_key=True)
    shard_id: Mapped[int] = mapped_column(ForeignKey("shards.id"), index=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id"), index=True)
    offset: Mapped[int] = mapped_column(CheckedBigInteger)
    length: Mapped[int] = mapped_column(CheckedBigInteger)
    augment: Mapped[str] = mapped_column(default="")
    skipped: Mapped[str | None]


class Run(Base):
    """One training run."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    architecture: Mapped[str]
    tokenizer: Mapped[str]  # its fingerprint
    settings: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(index=True)  # one of runs.RUN_STATUSES
    directory: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    note: Mapped[str | None]  # the user's
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


class Checkpoint(Base):
    """A bundle written by a run: the best or the last."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    kind: Mapped[str]  # best | last
    step: Mapped[int]
    path: Mapped[str]
    digest: Mapped[str]  # of the weights
    metrics: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("run_id", "kind"),)


class Export(Base):
    """A bundle written for another runtime, and the report of its verification."""

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    kind: Mapped[str]  # onnx | torchscript
    path: Mapped[str]
    report: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(default=now)


class Sample(Base):
    """A generated file, and everything needed to generate it again."""

    __tablename__ = "samples"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    bundle: Mapped[str]  # digest of the model's weights
    seed: Mapped[int] = mapped_column(CheckedBigInteger)
    request: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(default=now)
