"""The inverted index of the sketches: which files have a key, in the table `postings`.

Keys are hashes, so that the rows of one file belong on as many pages as it has keys. In a large
catalog SQLite would read and write a page for each. New rows therefore go to a small part of the
table, level 2, by adding a multiple of 2**40 to their key; `promote` moves many rows at once to
level 1 and from there to level 0, where several of them share a page (a log-structured merge tree:
O'Neil et al. 1996). Files are found in all levels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.models import File, Posting
from musictk.sketches import Sketch, index_keys, parse_sketch

PER_CLUSTER = 4  # files of one cluster that are indexed under one key
_LEVELS = (0, 1 << 40, 2 << 40)  # added to the keys of each level
_PROMOTED = 4096  # new files between two calls of `promote`
_SLICES = 16  # parts of level 1, by key; one of them is moved to level 0 in each call
_KEYS = 1 << 33  # more than any key


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
    """The files under each key."""
    found: dict[int, list[int]] = {}
    for key, owner in _rows(session.connection(), sorted(map(int, wanted))):
        found.setdefault(key, []).append(owner)
    return found


def insert_postings(session: Session, rows: Sequence[tuple[int, int]]) -> None:
    """Add (key, file id) rows."""
    connection = session.connection()
    if not rows:
        return
    if connection.dialect.name == "sqlite":  # five times as fast as named parameters
        newest = _LEVELS[-1]
        query = f"INSERT INTO postings (key, file_id) VALUES (? + {newest}, ?)"
        connection.exec_driver_sql(query, sorted(rows))
    else:
        named = [{"key": key, "file_id": file_id} for key, file_id in sorted(rows)]
        connection.execute(insert(Posting.__table__), named)  # type: ignore[arg-type]


def delete_postings(session: Session, file_id: int, keys: Sequence[int]) -> None:
    """Remove a file from these keys."""
    for chunk in chunks([key + level for level in _LEVELS for key in keys]):
        query = delete(Posting).where(Posting.key.in_(chunk), Posting.file_id == file_id)
        session.execute(query)


def promote(session: Session, ids: Sequence[int]) -> None:
    """Move rows of the index to lower levels, if enough files were added since the last time.

    `ids` are those of the files that were just indexed.
    """
    turn = max(ids, default=0) // _PROMOTED
    connection = session.connection()
    if connection.dialect.name != "sqlite" or turn == (min(ids, default=1) - 1) // _PROMOTED:
        return
    part = _KEYS // _SLICES
    start = turn % _SLICES * part
    _move(connection, _LEVELS[1] + start, _LEVELS[1] + start + part, _LEVELS[1])
    _move(connection, _LEVELS[2], _LEVELS[2] + _KEYS, _LEVELS[2] - _LEVELS[1])


def _move(connection: Connection, start: int, stop: int, down: int) -> None:
    """Subtract `down` from the keys from `start` to `stop`."""
    rows = f"FROM postings WHERE key >= {start} AND key < {stop}"
    moved = f"INSERT OR IGNORE INTO postings SELECT key - {down}, file_id {rows}"
    connection.exec_driver_sql(moved)
    connection.exec_driver_sql(f"DELETE {rows}")


def _rows(connection: Connection, keys: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The (key, file id) rows of these keys.

    The keys are one JSON text, or part of the SQL text: binding tens of thousands of parameters
    would take as long as the search.
    """
    numbers = ",".join(map(str, keys))
    if connection.dialect.name == "sqlite":
        query = (
            "SELECT value, file_id FROM json_each(?)"
            " CROSS JOIN postings ON postings.key = value + ?"
        )
        for level in _LEVELS:
            yield from connection.exec_driver_sql(query, (f"[{numbers}]", level))
        return
    for chunk in chunks(keys):
        numbers = ",".join(map(str, chunk))
        yield from connection.exec_driver_sql(
            f"SELECT key, file_id FROM postings WHERE key IN ({numbers})"
        )


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
