"""Amounts of music by composer, from one index."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from musictk.catalog.models import File


class Amount(NamedTuple):
    """The files of one composer with the same status, kind and split."""

    composer_id: int | None
    status: str
    kind: str
    split: str | None
    files: int
    notes: int
    seconds: float
    bars: int


def amounts(session: Session) -> list[Amount]:
    """The amounts of every composer. One index has all of it: the files themselves are not read."""
    by = (File.composer_id, File.status, File.kind, File.split)
    sums = (func.sum(File.notes), func.sum(File.seconds), func.sum(File.bars))
    query = select(*by, func.count(), *sums).group_by(*by)
    return [
        Amount(
            composer, status, kind, split, files, int(notes or 0), seconds or 0.0, int(bars or 0)
        )
        for composer, status, kind, split, files, notes, seconds, bars in session.execute(query)
    ]
