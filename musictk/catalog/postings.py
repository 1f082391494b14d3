"""The inverted index of the sketches: which files have a key, in the table `postings`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.models import File, Posting
from musictk.sketches import Sketch, index_keys, parse_sketch

PER_CLUSTER = 4  # files of one cluster that are indexed under one key


def read_sketch(sketch: object) -> Sketch | None:
    """The parsed sketch; None where there is none or its bytes are invalid."""
    try:
        return parse_sketch(sketch) if isinstance(sketch, bytes) else None
    except ValueError:
        return None


def keys_of(found: Sketch | None) -> list[int]:
    """The keys under which a file is indexed; none without a sketch."""
    return index_keys(found) if found else []


def read_postings(session: Session, wanted: Iterable[int]) -> dict[int, list[int]]:
    """The files under each key. The keys are part of the SQL text: binding tens of thousands of
    parameters would take as long as the search.
    """
    found: dict[int, list[int]] = {}
    connection = session.connection()
    for chunk in chunks(sorted(wanted)):
        numbers = ",".join(str(int(key)) for key in chunk)
        query = f"SELECT key, file_id FROM postings WHERE key IN ({numbers})"
        for key, owner in connection.exec_driver_sql(query):
            found.setdefault(key, []).append(owner)
    return found


def insert_postings(session: Session, rows: Sequence[tuple[int, int]]) -> None:
    """Add (key, file id) rows."""
    connection = session.connection()
    if not rows:
        return
    if connection.dialect.paramstyle == "qmark":  # five times as fast as named parameters
        query = "INSERT INTO postings (key, file_id) VALUES (?, ?)"
        connection.exec_driver_sql(query, sorted(rows))
    else:
        named = [{"key": key, "file_id": file_id} for key, file_id in sorted(rows)]
        connection.execute(insert(Posting.__table__), named)  # type: ignore[arg-type]


def delete_postings(session: Session, file_id: int, keys: Sequence[int]) -> None:
    """Remove a file from these keys."""
    for chunk in chunks(keys):
        query = delete(Posting).where(Posting.key.in_(chunk), Posting.file_id == file_id)
        session.execute(query)


def repost(session: Session, clusters: Sequence[str]) -> None:
    """Index the remaining members of clusters: they may have been left out for a removed one."""
    for cluster in clusters:
        query = select(File.id, File.sketch).where(File.cluster == cluster).order_by(File.id)
        members = [(id, keys_of(read_sketch(sketch))) for id, sketch in session.execute(query)]
        ids = {id for id, _ in members}
        lists = defaultdict(
            list, read_postings(session, {key for _, held in members for key in held})
        )
        rows = []
        for id, held in members:
            for key in held:
                indexed = ids.intersection(lists[key])
                if id not in indexed and len(indexed) < PER_CLUSTER:
                    lists[key].append(id)
                    rows.append((key, id))
        insert_postings(session, rows)
