"""Write clusters and splits without the ORM, which takes as long as SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, or_, update
from sqlalchemy.orm import Session

from musictk.catalog.models import File

_FILES: Any = File.__table__


def set_groups(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Set the `cluster` and `split` of files; `file` is the id."""
    query = update(_FILES).where(_FILES.c.id == bindparam("file"))
    values: dict[str, Any] = {each: bindparam(each) for each in ("cluster", "split")}
    session.connection().execute(query.values(values), rows)


def rename_clusters(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Give the files of the cluster `old` the cluster `new` and the split `at`."""
    cluster, split = _FILES.c.cluster, _FILES.c.split
    new: Any = bindparam("new")
    at: Any = bindparam("at")
    stale = or_(cluster != new, split.is_distinct_from(at))
    query = update(_FILES).where(cluster == bindparam("old"), stale)
    if rows:
        session.connection().execute(query.values(cluster=new, split=at), rows)
