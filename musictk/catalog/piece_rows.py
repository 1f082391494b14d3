"""Read the pieces of a catalog as columns, in one pass over each table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from sys import intern
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from musictk.catalog.columns import unreadable
from musictk.catalog.models import Composer, File, Label, Location
from musictk.catalog.records import PieceInfo

_ROWS = 1000  # fetched at a time
_COLUMNS = (
    File.id,
    File.kind,
    File.sha256,
    File.split,
    File.composer_id,
    File.seconds,
    File.notes,
    File.cluster,
)
Rows = Callable[[int], list[tuple[Any, Any]]]


def read_pieces(session: Session, split: str | None, reads: Collection[str]) -> list[PieceInfo]:
    """Accepted files of the given kinds, of all splits or of one, ordered by id.

    A file without a readable location is left out: it cannot be loaded.
    """
    query = select(*_COLUMNS).where(File.status == "accepted", File.kind.in_(sorted(reads)))
    if split is not None:
        query = query.where(File.split == split)
    composers = dict(session.execute(select(Composer.id, Composer.name)).all())
    places = _in_step(_stream(session, _by_file(Location, Location.path, Location.member)))
    labels = _in_step(_stream(session, _by_file(Label, Label.category, Label.value)))
    found = []
    for id, kind, sha256, its_split, composer, seconds, notes, cluster in _stream(
        session, query.order_by(File.id)
    ):
        rows = places(id)
        if not rows:
            unreadable.note()
            continue
        if len(rows) > 1:
            rows.sort()
        where = tuple([(path, member or None) for path, member in rows])
        found.append(
            PieceInfo(
                id=id,
                path=where[0][0],
                member=where[0][1],
                kind=intern(kind),
                sha256=sha256 or "",
                split=intern(its_split) if its_split else its_split,
                composer=composers.get(composer),
                labels={intern(category): intern(value) for category, value in labels(id)},
                seconds=seconds or 0.0,
                notes=notes or 0,
                cluster=sha256 if cluster == sha256 else cluster,
                locations=where,
            )
        )
    return found


def _by_file(table: Any, *columns: Any) -> Select[Any]:
    return select(table.file_id, *columns).where(table.file_id.is_not(None)).order_by(table.file_id)


def _stream(session: Session, query: Any) -> Iterator[Any]:
    """The rows of a query, without the ORM, which takes as long as SQLite."""
    connection = session.connection()
    return iter(connection.execute(query, execution_options={"yield_per": _ROWS}))


def _in_step(rows: Iterator[Any]) -> Rows:
    """A function that gives the rows of a file, to be called for files by ascending id.

    Rows whose file cannot be read are skipped.
    """
    last: Any = next(rows, None)

    def of(file_id: int) -> list[tuple[Any, Any]]:
        nonlocal last
        own = []
        while last is not None and (last[0] is None or last[0] <= file_id):
            owner, one, other = last
            if owner == file_id:
                own.append((one, other))
            last = next(rows, None)
        return own

    return of
