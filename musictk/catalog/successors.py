"""What an edited file keeps of the file that was at its place before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, Integer, bindparam, delete, exists, insert, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from musictk.catalog.models import Base, File, Label

_FILES: Any = File.__table__
_LABELS: Any = Label.__table__
_OLD: BindParameter[int] = bindparam("old", type_=Integer())
_NEW: BindParameter[int] = bindparam("new", type_=Integer())


class Successor(Base):
    """A new file at a place where another one was, until the ingest ends."""

    __tablename__ = "successors"

    old_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    new_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_listed: Mapped[bool]  # a table names the composer of the new file


def record_successors(session: Session, rows: Iterable[tuple[int, int, bool]]) -> None:
    """Store (id of the old file, id of the new file, whether a table names its composer)."""
    found = [{"old_id": old, "new_id": new, "is_listed": listed} for old, new, listed in rows]
    if found:
        session.execute(insert(Successor), found)


def inherit(session: Session) -> None:
    """Give new files the composer, the labels and the official split of those they have replaced.

    A file that is found elsewhere was moved, not edited, and gives nothing; so this waits for the
    end of an ingest. The names at the place are the same: a composer that differs from them was set
    by the user. One that a table names stays, and so do labels and an official split.
    """
    query = select(Successor.old_id, Successor.new_id, Successor.is_listed)
    query = query.join(File, File.id == Successor.old_id).where(File.status == "missing")
    pairs = session.execute(query).all()
    if pairs:
        both = [{"old": old, "new": new} for old, new, _ in pairs]
        named = [{"old": old, "new": new} for old, new, listed in pairs if not listed]
        _fill(session, "composer_id", named)
        _fill(session, "official_split", both, only_empty=True)
        _copy_labels(session, both)
    session.execute(delete(Successor))


def _fill(
    session: Session, name: str, pairs: list[dict[str, int]], only_empty: bool = False
) -> None:
    before = aliased(_FILES)
    value = select(before.c[name]).where(before.c.id == _OLD, before.c[name].is_not(None))
    change = _FILES.update().where(_FILES.c.id == _NEW, value.exists())
    if only_empty:
        change = change.where(_FILES.c[name].is_(None))
    if pairs:
        session.connection().execute(change.values({name: value.scalar_subquery()}), pairs)


def _copy_labels(session: Session, pairs: list[dict[str, int]]) -> None:
    own = aliased(_LABELS)
    known = exists().where(own.c.file_id == _NEW, own.c.category == _LABELS.c.category)
    labels = select(_NEW, _LABELS.c.category, _LABELS.c.value).where(
        _LABELS.c.file_id == _OLD, ~known
    )
    columns = ("file_id", "category", "value")
    session.connection().execute(_LABELS.insert().from_select(columns, labels), pairs)
