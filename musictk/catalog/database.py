"""The connection: WAL, writers that wait for each other, migrations to head."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, StatementError
from sqlalchemy.orm import Session

from musictk.catalog.locking import begin, prepare
from musictk.catalog.migrations import HEAD, REVISIONS
from musictk.catalog.search_index import refresh
from musictk.errors import MusictkError, UsageError
from musictk.files import cause, writing

_FULL = 64 << 10  # bytes free on a disk below which SQLite cannot open a database in WAL mode
_READ_ONLY = "make it writable, or copy it to a writable folder"
_COPY = "restore it from a copy, or move it away and ingest again"
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):.*@")
_WRITE_FAILURES = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
)


class Database:
    """An open catalog database at the newest migration."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._file = _file_of(engine.url)
        self._name = str(self._file) if self._file else _name_of(engine.url)
        self.root = root
        self.read_only = engine.url.query.get("mode") == "ro"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and writes nothing."""
        with (
            _typed_errors(self._name, self._file),
            Session(self._engine, expire_on_commit=False, info={"root": self.root}) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its first statement; commits on success.

        Raises MusictkError if the database can only be read.
        """
        self.require_writable()
        with (
            _typed_errors(self._name, self._file),
            Session(self._writer, expire_on_commit=False, info={"root": self.root}) as session,
            session.begin(),
        ):
            yield session
            session.flush()
            refresh(session.connection())

    def require_writable(self) -> None:
        """Raise MusictkError if the database can only be read."""
        full = self._file is not None and _disk_is_full(self._file)
        if self.read_only and not full:  # for a full disk, SQLite's own error says so
            raise MusictkError(f"the workspace {self.root} is read-only", _READ_ONLY)

    def close(self) -> None:
        self._engine.dispose()


def connect(url: str, create: bool = True, waiting: Callable[[], None] | None = None) -> Engine:
    """Open the database at `url` (any SQLAlchemy URL); create it or migrate it to head if needed.

    `waiting` is called if a transaction waits for another writer for some seconds. A SQLite
    database that can only be read is opened read-only: in a folder without write permission, or on
    a full disk.
    """
    hint = "give an SQLAlchemy URL such as sqlite:///catalog.db, and install its driver"
    shown = _PASSWORD.sub(r"\1:***@", url)
    try:
        parsed = _parse(url)
        file = _file_of(parsed)
        if file is not None and not create and not file.exists():
            hint = "name another with --catalog, or run: musictk ingest FOLDER"
            raise UsageError(f"there is no catalog {file}", hint)
        if file is not None:
            _make_folder(file)
        with _typed_errors(shown, file):
            return _open_first(_ways_to_open(parsed, file), shown, waiting)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        what = f"cannot use the catalog URL {shown!r}: {str(error).replace(url, shown)}"
        raise UsageError(what, hint) from error


def _open_first(candidates: Iterable[URL], name: str, waiting: Callable[[], None] | None) -> Engine:
    """The first database that can be opened, migrated to head; else the error of the first."""
    failed: OperationalError | None = None
    for candidate in candidates:
        engine = _engine(candidate, waiting)
        try:
            _migrate(engine, name)
        except OperationalError as error:
            engine.dispose()
            failed = failed or error
            if not _is_write_failure(error):
                break
        else:
            return engine
    assert failed is not None
    raise failed


def _ways_to_open(url: URL, file: Path | None) -> Iterator[URL]:
    """The URLs to try: to write; to read; to read a file that no process can be writing."""
    if file is None or url.query or not file.is_file():
        yield url
        return
    if os.access(file, os.W_OK) and os.access(file.parent, os.W_OK):
        yield url
    database = f"file:{quote(str(file.absolute()))}"
    yield url.set(database=database, query={"mode": "ro", "uri": "true"})
    # In WAL mode SQLite creates a file even for reading, unless the database is declared immutable.
    if not _has_pending_writes(file):
        yield url.set(database=database, query={"mode": "ro", "immutable": "1", "uri": "true"})


def _engine(url: URL, waiting: Callable[[], None] | None) -> Engine:
    engine = create_engine(url, execution_options={"waiting": waiting})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", begin)
    return engine


def _parse(url: str) -> URL:
    """The URL; the path of a SQLite file may have the characters ? and %, if its folder exists."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and path.parent.is_dir() and "?" not in path.name:
        return URL.create("sqlite", database=str(path))
    return make_url(url)


def _name_of(url: URL) -> str:
    return url.database or url.render_as_string()


def _file_of(url: URL) -> Path | None:
    """The file of a SQLite database; None for any other."""
    name = url.database
    if url.get_backend_name() != "sqlite" or name in (None, "", ":memory:"):
        return None
    return Path(unquote(name.removeprefix("file:")) if "uri" in url.query else name)


def _make_folder(path: Path) -> None:
    """Create the folder of a database file. Raises UsageError where the path is not a file."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        usable = path.is_file() or not path.exists()
    if not usable:
        raise UsageError(f"the catalog {path} is not a regular file", "name another: --catalog URL")


def _has_pending_writes(path: Path) -> bool:
    """Whether an immutable database would hide commits that are still in its WAL file."""
    pending = path.with_name(path.name + "-wal")
    return pending.exists() and pending.stat().st_size > 0


def _is_write_failure(error: OperationalError) -> bool:
    """Whether SQLite could not create or extend a file that it needs, as on a full disk."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in _WRITE_FAILURES


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _migrate(engine: Engine, name: str) -> None:
    with engine.connect() as connection:
        found = _revision(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        if found.isdecimal() and found > HEAD:
            raise MusictkError(
                f"the catalog {name} was made by a newer musictk (revision {found}, known: {HEAD})",
                "upgrade musictk",
            )
        raise MusictkError(f"the catalog {name} has an unknown revision {found!r}", _COPY)
    if engine.url.query.get("mode") == "ro":
        what = f"the catalog {name} is of an older musictk and read-only, so it cannot be migrated"
        raise MusictkError(what, _READ_ONLY)
    from alembic import command  # imported only for a catalog that is not at head
    from alembic.config import Config

    with engine.execution_options(writes=True).begin() as connection:
        if _revision(connection) == HEAD:  # another process migrated it meanwhile
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        refresh(connection)


@contextmanager
def _typed_errors(name: str, file: Path | None) -> Iterator[None]:
    """Turn errors of the database driver into typed errors with a hint."""
    what = f"the catalog {name}"
    try:
        yield
    except (StatementError, sqlite3.Error) as error:
        origin = getattr(error, "orig", None) or error
        if isinstance(origin, sqlite3.Error) and file is not None and _disk_is_full(file):
            hint = f"free some space on the disk of {file.absolute().parent}"
            raise MusictkError(f"cannot use {what}: the disk is full", hint) from error
        raise MusictkError(f"cannot use {what}: {cause(origin)}", _hint(origin)) from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object!r} is not valid text", "type it in UTF-8") from error
    except OverflowError as error:
        raise UsageError(f"a number is too large for {what}", "give a smaller one") from error


def _disk_is_full(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.absolute().parent).free < _FULL
    except OSError:
        return False


def _hint(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, UnicodeEncodeError):
        return "type it in UTF-8"
    if any(word in text for word in ("malformed", "not a database", "no such", "constraint")):
        return _COPY
    if "readonly" in text:
        return "make it and its folder writable, or copy the workspace to a writable folder"
    if "locked" in text:
        return "close the program that uses it, or try again later"
    return "free some space, check its permissions, or name another with --catalog URL"
