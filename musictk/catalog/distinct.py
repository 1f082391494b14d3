"""The distinct values of an indexed column, without reading every row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session


def distinct_values(
    session: Session, column: InstrumentedAttribute[Any], *where: ColumnElement[bool]
) -> list[Any]:
    """The values of `column` in the rows with these conditions, in order, without NULL.

    Each is looked up in the index as the least one above the last: SQLite's DISTINCT reads the
    whole index.
    """
    least = select(func.min(column).label("value")).where(column.is_not(None), *where)
    found = least.cte("found", recursive=True)
    above = select(func.min(column)).where(column > found.c.value, *where).scalar_subquery()
    found = found.union_all(select(above).where(found.c.value.is_not(None)))
    query = select(found.c.value).where(found.c.value.is_not(None))
    return list(session.scalars(query))
