"""The search index of SQLite: the folded text of every file in a full-text table.

The table `search` has one row per file: every title, key, path, member, label and spelling of its
composer, folded by `spelling.plain`, one a line. It is an FTS5 table of trigrams, so that any part
of a word is found. Triggers put files whose text changes into the table `outdated`, and `refresh`
brings the index up to date before a transaction commits. Where SQLite lacks FTS5 or trigrams
(3.34), files stay outdated and searches use the tables themselves, see `selection.mentions`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from musictk.catalog.chunks import chunks
from musictk.catalog.models import Alias, File, Label, Location
from musictk.spelling import plain

_CREATE = (
    "CREATE VIRTUAL TABLE search USING fts5"
    "(text, path UNINDEXED, tokenize = 'trigram case_sensitive 1', detail = none)"
)
_GRAM = 3  # characters of a trigram
_SOME = 2_000  # matching files: of more, a composer's are read from an index
_MANY = 15_000  # matching files: of more, the first ones by path are looked for in that order
_WALKED = 10_000  # files that are looked at in that order
_TRIED = 2_000  # of these, where a composer's files can be read from an index
_EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'search'"


def is_current(connection: Connection) -> bool:
    """Whether the index exists, can be read here, and has the text of every file."""
    if connection.dialect.name != "sqlite" or not _is_usable(connection):
        return False
    return connection.exec_driver_sql("SELECT 1 FROM outdated LIMIT 1").first() is None


def refresh(connection: Connection) -> None:
    """Index the outdated files again; make the index if it does not exist."""
    if connection.dialect.name != "sqlite":
        return
    queued = "SELECT file_id FROM outdated LIMIT 1000"
    if not (ids := connection.exec_driver_sql(queued).scalars().all()):
        return
    if not _is_usable(connection) and not _create(connection):
        return
    while ids:
        marks = ",".join(map(str, ids))
        texts = _documents(connection, ids)
        connection.exec_driver_sql(f"DELETE FROM search WHERE rowid IN ({marks})")
        query = "INSERT INTO search (rowid, text, path) VALUES (?, ?, ?)"
        if texts:
            connection.exec_driver_sql(query, texts)
        connection.exec_driver_sql(f"DELETE FROM outdated WHERE file_id IN ({marks})")
        ids = connection.exec_driver_sql(queued).scalars().all()


def find(connection: Connection, words: Sequence[Sequence[str]], limit: int | None) -> list[int]:
    """The ids of the files that contain every word in one of its spellings, by path.

    `words` are folded. Words of one or two letters are looked for in every text.
    """
    contains, values = _texts(words)
    match = " AND ".join(filter(None, map(_trigrams, words)))
    if limit is not None:
        count = _count(connection, match) if match else _MANY
        composers = _composers(connection, words) if match and count > _SOME else ()
        if count == _MANY:
            walked = _TRIED if composers else _WALKED
            found = _walk(connection, contains, values, limit, walked)
            if len(found) == limit:
                return found
        if composers:
            return _of_composers(connection, match, words, limit, composers)
    if match:
        contains, values = f"search MATCH ? AND {contains}", [match, *values]
    query = f"SELECT rowid FROM search WHERE {contains} ORDER BY path, rowid LIMIT ?"
    sized = -1 if limit is None else limit
    return list(connection.exec_driver_sql(query, (*values, sized)).scalars())


def _composers(connection: Connection, words: Sequence[Sequence[str]]) -> set[int]:
    """The composers whose spellings contain every word: all of their files match."""
    found = []
    for each in words:
        query = f"SELECT composer_id FROM aliases WHERE {_any(each, 'instr(plain_key, ?) > 0')}"
        found.append(set(connection.exec_driver_sql(query, tuple(each)).scalars()))
    return set.intersection(*found)


def _of_composers(
    connection: Connection,
    match: str,
    words: Sequence[Sequence[str]],
    limit: int,
    composers: Iterable[int],
) -> list[int]:
    """The first files that match, where all files of these composers do.

    Their first files are read from an index; only the texts of other files are read.
    """
    contains, values = _texts(words)
    owned = f"FROM files WHERE composer_id IN ({','.join(map(str, sorted(composers)))})"
    first = f"SELECT path, id {owned} ORDER BY path, id LIMIT ?"
    # CASE: SQLite would read the texts of all.
    chosen = f"CASE WHEN rowid IN (SELECT id {owned}) THEN 0 ELSE {contains} END"
    others = f"SELECT path, rowid FROM search WHERE search MATCH ? AND {chosen}"
    query = f"SELECT id FROM (SELECT * FROM ({first}) UNION ALL {others}) ORDER BY path, id LIMIT ?"
    found = connection.exec_driver_sql(query, (limit, match, *values, limit))
    return list(found.scalars())


def _texts(words: Sequence[Sequence[str]]) -> tuple[str, list[str]]:
    """The condition that a text contains every word, and its values."""
    condition = " AND ".join(f"({_any(each, 'instr(text, ?) > 0')})" for each in words)
    return condition, [spelling for each in words for spelling in each]


def _count(connection: Connection, match: str) -> int:
    """The number of files that match, at most _MANY."""
    query = "SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ? LIMIT ?)"
    return int(connection.exec_driver_sql(query, (match, _MANY)).scalar_one())


def _walk(
    connection: Connection, contains: str, values: Sequence[str], limit: int, walked: int
) -> list[int]:
    """The first matches among the first `walked` files by path; fewer than `limit`: unsure."""
    query = "SELECT id FROM files ORDER BY path, id LIMIT ?"
    ids = list(connection.exec_driver_sql(query, (walked,)).scalars())
    found: list[int] = []
    for chunk in chunks(ids):
        if len(found) >= limit:
            break
        marks = ",".join(map(str, chunk))
        query = f"SELECT rowid FROM search WHERE rowid IN ({marks}) AND {contains}"
        hits = set(connection.exec_driver_sql(query, tuple(values)).scalars())
        found += [id for id in chunk if id in hits]
    return found[:limit]


def _any(values: Sequence[str], condition: str) -> str:
    return " OR ".join(condition for _ in values)


def _trigrams(spellings: Sequence[str]) -> str:
    """An FTS5 query for texts that may contain one of the spellings; "" where every text may."""
    if any(len(word) < _GRAM for word in spellings):
        return ""
    return "(" + " OR ".join(f"({' AND '.join(_grams(word))})" for word in spellings) + ")"


def _grams(word: str) -> list[str]:
    """Trigrams that cover the word, quoted."""
    starts = dict.fromkeys([*range(0, len(word) - _GRAM + 1, _GRAM), len(word) - _GRAM])
    return ['"' + word[start : start + _GRAM].replace('"', '""') + '"' for start in starts]


def _is_usable(connection: Connection) -> bool:
    if connection.exec_driver_sql(_EXISTS).first() is None:
        return False
    try:
        connection.exec_driver_sql("SELECT rowid FROM search LIMIT 0")
    except OperationalError as error:
        if "no such" in str(error):  # module, or tokenizer
            return False
        raise
    return True


def _create(connection: Connection) -> bool:
    """Create the index with every file outdated; False where SQLite cannot, or it is there."""
    if connection.exec_driver_sql(_EXISTS).first() is not None:
        return False
    try:
        connection.exec_driver_sql(_CREATE)
    except OperationalError as error:
        if "no such" in str(error) or "tokenize" in str(error):
            return False
        raise
    connection.exec_driver_sql("INSERT OR IGNORE INTO outdated SELECT id FROM files")
    return True


def _documents(connection: Connection, ids: Sequence[int]) -> list[tuple[int, str, str | None]]:
    """(id, folded text, first path) of the files that exist."""
    fields: dict[int, list[Any]] = defaultdict(list)
    files = select(File.id, File.path, File.title, File.key, File.composer_id)
    rows = connection.execute(files.where(File.id.in_(ids))).all()
    composers = {row.composer_id for row in rows}
    spelled = _spellings(connection, composers)
    for places in (
        select(Location.file_id, Location.path, Location.member).where(Location.file_id.in_(ids)),
        select(Label.file_id, Label.value).where(Label.file_id.in_(ids)),
    ):
        for file_id, *values in connection.execute(places):
            fields[file_id] += values
    return [
        (id, _folded([title, key, *fields[id], *spelled.get(composer, ())]), path)
        for id, path, title, key, composer in rows
    ]


def _spellings(connection: Connection, composers: Iterable[int | None]) -> Mapping[Any, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for chunk in chunks(sorted(each for each in composers if each is not None)):
        query = select(Alias.composer_id, Alias.spelling).where(Alias.composer_id.in_(chunk))
        for composer, spelling in connection.execute(query):
            found[composer].append(spelling)
    return found


def _folded(values: Iterable[Any]) -> str:
    texts = dict.fromkeys(plain(value) for value in values if isinstance(value, str))
    return "\n".join(filter(None, texts)).encode("utf-8", "replace").decode().replace("\0", " ")
