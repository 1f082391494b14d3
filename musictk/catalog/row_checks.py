"""Find values in the catalog that do not match their columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from musictk.catalog.columns import CheckedType
from musictk.catalog.models import Base, File, Posting
from musictk.catalog.records import FILE_STATUSES, SPLITS
from musictk.sketches import parse_sketch

_CHOICES = {File.__table__.c.status: FILE_STATUSES, File.__table__.c.split: (None, *SPLITS)}


def unreadable_rows(session: Session) -> Iterator[tuple[str, str]]:
    """(what is wrong, where) of every value that its column cannot hold."""
    for table in Base.metadata.sorted_tables:
        if table is not Posting.__table__:  # an index whose rows are checked when used
            yield from _values(session, table)
    yield from _sketches(session)
    if session.get_bind().dialect.name == "sqlite":
        yield from _references(session)


def _values(session: Session, table: Table) -> Iterator[tuple[str, str]]:
    dialect = session.get_bind().dialect
    keys = list(table.primary_key.columns)
    columns = [column for column in table.columns if isinstance(column.type, CheckedType)]
    readers = []
    for column in columns:
        adapted = column.type.dialect_impl(dialect)
        assert isinstance(adapted, CheckedType)
        readers.append(adapted.strict(dialect))
    wanted = [type_coerce(column, NullType()) for column in (*keys, *columns)]
    query = select(*wanted).execution_options(yield_per=500)
    for row in session.execute(query):
        identity, values = row[: len(keys)], row[len(keys) :]
        for column, read, value in zip(columns, readers, values, strict=True):
            problem = _problem(column, read, value)
            if problem:
                yield problem, _where(table.name, identity, column.name)


def _problem(column: Any, read: Any, value: Any) -> str | None:
    if value is None:
        return None if column.nullable else "a value is missing"
    try:
        found = read(value)
        if isinstance(found, str):
            found.encode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return "a value cannot be read"
    if column in _CHOICES and found not in _CHOICES[column]:
        return "a value is not one of the choices"
    return None


def _sketches(session: Session) -> Iterator[tuple[str, str]]:
    columns = (File.id, File.sketch)
    query = select(*columns).where(File.status == "accepted", File.sketch.is_not(None))
    for file_id, sketch in session.execute(query.execution_options(yield_per=500)):
        try:
            parse_sketch(sketch or b"")
        except ValueError:
            yield "a value cannot be read", _where("files", (file_id,), "sketch")


def _references(session: Session) -> Iterator[tuple[str, str]]:
    for table, row, parent, _ in session.connection().exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"a row refers to missing {parent}", f"{table} {row}"


def _where(table: str, identity: Any, column: str) -> str:
    return f"{table} {'/'.join(map(str, identity))}, column {column}"
