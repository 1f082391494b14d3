"""The tables, as SQLAlchemy 2 typed models. Paths are relative to the workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, MetaData, UniqueConstraint
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

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def when(moment: datetime | None, timespec: str = "auto") -> str | None:
    """A time as text; None where the catalog's cannot be read."""
    return moment.isoformat(timespec=timespec) if moment else None


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables hang on this."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it as it stands)
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
    """Every spelling under which a composer is known, the canonical one included."""

    __tablename__ = "aliases"

    key: Mapped[str] = mapped_column(primary_key=True)  # names.fold(spelling)
    spelling: Mapped[str]
    composer_id: Mapped[int] = mapped_column(ForeignKey("composers.id"), index=True)


class File(Base):
    """One content, however many places hold it."""

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str | None] = mapped_column(unique=True)  # None: its bytes could not be had
    kind: Mapped[str]  # midi | text | abc
    status: Mapped[str] = mapped_column(index=True)  # accepted | rejected | missing
    code: Mapped[str | None]  # why it was rejected, see musictk.reading.reasons
    detail: Mapped[str | None]
    repair: Mapped[str | None]  # what was put right in memory before it could be read
    checks: Mapped[int]  # version of the checks it went through
    size: Mapped[int] = mapped_column(CheckedBigInteger)  # bytes
    title: Mapped[str]
    composer_id: Mapped[int | None] = mapped_column(ForeignKey("composers.id"), index=True)
    cluster: Mapped[str | None] = mapped_column(index=True)  # smallest sha256 of its twins
    split: Mapped[str | None] = mapped_column(index=True)  # train | valid | test
    notes: Mapped[int | None]
    tracks: Mapped[int | None]
    seconds: Mapped[float | None]
    bars: Mapped[int | None]
    metre: Mapped[str | None]  # the one that holds longest, such as "3/4"
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


class Location(Base):
    """Where a content lies: a path, and the member's name where that is an archive.

    An archive read to its end has a row of its own, with an empty member and no file.
    """

    __tablename__ = "places"

    path: Mapped[str] = mapped_column(primary_key=True)  # names.store_path, forward slashes
    member: Mapped[str] = mapped_column(primary_key=True, default="")
    size: Mapped[int] = mapped_column(CheckedBigInteger)
    mtime_ns: Mapped[int] = mapped_column(CheckedBigInteger)
    checks: Mapped[int]  # version of the checks it was seen by
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"), index=True)
    file: Mapped[File | None] = relationship(back_populates="locations")


class Label(Base):
    """Any categorical fact about a file; a condition the model can be trained with."""

    __tablename__ = "labels"

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    category: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Posting(Base):
    """An index of the sketches: which pieces hold a key, see `musictk.sketches.keys`.

    A key of a file that was taken out may stay behind: what it says is verified when it is used.
    """

    __tablename__ = "postings"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (the rows are their own index)

    key: Mapped[int] = mapped_column(CheckedBigInteger, primary_key=True, autoincrement=False)
    file_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class TokenizerRow(Base):
    """One exact encoding: name + config + what was learned."""

    __tablename__ = "tokenizers"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    config: Mapped[dict[str, Any]]
    learned: Mapped[str | None]
    learned_from: Mapped[str | None]  # digest of the training pieces it learned from


class ShardRow(Base):
    """The pieces of one split, encoded by one tokenizer, in one file."""

    __tablename__ = "shards"

    id: Mapped[int] = mapped_column(primary_key=True)
    tokenizer_id: Mapped[int] = mapped_column(ForeignKey("tokenizers.id"))
    split: Mapped[str]
    augment: Mapped[str] = mapped_column(default="")  # how pieces were varied; "" is not at all
    pieces: Mapped[str]  # digest of the pieces that were asked for
    path: Mapped[str] = mapped_column(unique=True)
    length: Mapped[int] = mapped_column(CheckedBigInteger)  # tokens or frames in all
    made_at: Mapped[datetime] = mapped_column(default=now)
    tokenizer: Mapped[TokenizerRow] = relationship()
    __table_args__ = (UniqueConstraint("tokenizer_id", "split", "augment", "pieces"),)


class Span(Base):
    """Where one piece lies in a shard; a piece that was skipped has length 0 and a reason."""

    __tablename__ = "spans"

    id: Mapped[int] = mapped_column(primary_key=True)
    shard_id: Mapped[int] = mapped_column(ForeignKey("shards.id"), index=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id"))
    offset: Mapped[int] = mapped_column(CheckedBigInteger)
    length: Mapped[int] = mapped_column(CheckedBigInteger)
    augment: Mapped[str] = mapped_column(default="")
    skipped: Mapped[str | None]


class Run(Base):
    """One training."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    architecture: Mapped[str]
    tokenizer: Mapped[str]  # its fingerprint
    settings: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(index=True)  # one of runs.STATUSES
    directory: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


class Checkpoint(Base):
    """A bundle that a run wrote: its best, or its last."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    kind: Mapped[str]  # best | last
    step: Mapped[int]
    path: Mapped[str]
    digest: Mapped[str]  # of the weights
    metrics: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    __table_args__ = (UniqueConstraint("run_id", "kind"),)


class Export(Base):
    """A bundle written for another runtime, and what replaying it showed."""

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    kind: Mapped[str]  # onnx | torchscript
    path: Mapped[str]
    report: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(default=now)


class Sample(Base):
    """A generated file with all that made it."""

    __tablename__ = "samples"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    bundle: Mapped[str]  # digest of the weights it came from
    seed: Mapped[int] = mapped_column(CheckedBigInteger)
    request: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(default=now)
