"""The connection: WAL, writers that wait, migrations to head."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, StatementError
from sqlalchemy.orm import Session

from musictk.catalog.migrations import HEAD, REVISIONS
from musictk.errors import MusictkError, UsageError
from musictk.files import cause, writing

_PATIENCE = 600.0  # seconds a writer waits for another to finish
_COPY = "restore it from a copy, or move it away and ingest again"
_text = partial(str, encoding="utf-8", errors="surrogateescape")  # bytes that are no text come too


class Database:
    """An open catalog database at the newest migration."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._name = engine.url.database or engine.url.render_as_string()
        self.root = root

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and writes nothing."""
        with (
            _typed_errors(self._name),
            Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its first statement; commits on success."""
        with (
            _typed_errors(self._name),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        self._engine.dispose()


def connect(url: str) -> Engine:
    """Open the database at `url` (any SQLAlchemy URL), making or migrating it where needed."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            _make_room(Path(parsed.database or ""))
        engine = create_engine(_for_reading(parsed) or parsed)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        hint = "give an SQLAlchemy URL such as sqlite:///catalog.db, and install its driver"
        raise UsageError(f"cannot use the catalog URL {url!r}: {error}", hint) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with _typed_errors(url):
        _migrate(engine, url)
    return engine


def _make_room(path: Path) -> None:
    """The folder of a database file. Raises MusictkError where the file can be none."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        usable = path.is_file() or not path.exists()
    if not usable:
        raise UsageError(f"the catalog {path} is not a regular file", "name another: --catalog URL")


def _for_reading(url: URL) -> URL | None:
    """The URL that reads a SQLite file in a place that cannot be written; None where it can.

    WAL needs a file beside the database even for reading, unless it is opened as immutable. What
    another process has not yet put into the database itself could not be seen then.
    """
    path = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or url.query or not path.is_file():
        return None
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return None
    pending = path.with_name(path.name + "-wal")
    if pending.exists() and pending.stat().st_size:
        return None
    database = f"file:{quote(str(path.absolute()))}"
    return url.set(database=database, query={"immutable": "1", "uri": "true"})


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.text_factory = _text
    connection.isolation_level = None  # the driver begins nothing by itself, see _begin_sqlite
    connection.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    deadline = time.monotonic() + _PATIENCE
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        # Changing the mode ignores busy_timeout: two first openers would trip over each other.
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return  # a file system without shared memory stays in the mode it can do
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if "readonly" in str(error):
                return
            if not busy or time.monotonic() > deadline:
                raise  # a full disk gets no better by waiting
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer half-way can be refused at once, so writers say so from the start.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _migrate(engine: Engine, url: str) -> None:
    with engine.connect() as connection:
        found = _revision(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        if found.isdecimal() and found > HEAD:
            raise MusictkError(
                f"the catalog {url} was made by a newer musictk (revision {found}, known: {HEAD})",
                "upgrade musictk",
            )
        raise MusictkError(f"the catalog {url} says revision {found!r}, and there is none", _COPY)
    from alembic import command  # only a catalog that is not at head pays for this import
    from alembic.config import Config

    with engine.execution_options(writes=True).begin() as connection:
        if _revision(connection) == HEAD:  # another process was first
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _typed_errors(url: str = "") -> Iterator[None]:
    """Turn what the database driver says into a typed error with a hint."""
    what = f"the catalog {url}".strip()
    try:
        yield
    except (StatementError, sqlite3.Error) as error:
        origin = getattr(error, "orig", None) or error
        raise MusictkError(f"{what} does not answer: {cause(origin)}", _advice(origin)) from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object!r} is not valid text", "type it in UTF-8") from error
    except OverflowError as error:
        raise UsageError(f"a number is too large for {what}", "give a smaller one") from error


def _advice(error: BaseException) -> str:
    said = str(error)
    if isinstance(error, UnicodeEncodeError):
        return "type it in UTF-8"
    if any(word in said for word in ("malformed", "not a database", "no such", "constraint")):
        return _COPY
    if "readonly" in said:
        return "make it and its folder writable, or copy the workspace to where you may write"
    if "locked" in said:
        return "end the program that holds it, or try again later"
    return "free some space, check its permissions, or name another with --catalog URL"
