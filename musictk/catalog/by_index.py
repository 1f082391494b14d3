"""Read files by an index of few rows, where SQLite's planner would take one of many."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


def by_index(session: Session, what: str, index: str, condition: str) -> list[Any]:
    """The values of `what` in the files that meet a condition, all three in SQL."""
    return list(session.scalars(text(_query(session, what, index, condition))))


def count_by_index(session: Session, what: str, index: str, condition: str) -> int:
    """The number of rows that `by_index` gives, without reading them."""
    query = _query(session, what, index, condition)
    return int(session.scalar(text(f"SELECT count(*) FROM ({query}) AS found")) or 0)


def _query(session: Session, what: str, index: str, condition: str) -> str:
    with_index = session.get_bind().dialect.name == "sqlite"
    source = f"files INDEXED BY ix_files_{index}" if with_index else "files"
    return f"SELECT {what} FROM {source} WHERE {condition}"
