"""SQLite connections of several processes: WAL, and writers that wait for each other."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

_TIMEOUT = 600.0  # seconds a writer waits for another to finish
_TURN = 200  # milliseconds that SQLite waits at a time
_PATIENCE = 2.0  # seconds of waiting that are not worth a message
_text = partial(str, encoding="utf-8", errors="surrogateescape")  # keeps invalid UTF-8


def prepare(connection: Any, _record: Any) -> None:
    """Set up a new connection: WAL, durable, with foreign keys."""
    connection.text_factory = _text
    connection.isolation_level = None  # transactions begin in begin
    connection.execute(f"PRAGMA busy_timeout = {int(_TIMEOUT * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    deadline = time.monotonic() + _TIMEOUT
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        # Changing the mode ignores busy_timeout, so two processes may collide at the first opening.
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return  # a file system without shared memory keeps its mode
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if "readonly" in str(error):
                return
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def begin(connection: Connection) -> None:
    """Begin a transaction; one that writes holds the lock from its first statement.

    It waits for other writers, and calls the execution option `waiting` once if that takes long.
    """
    # Upgrading a read transaction fails at once if another writer is active: lock from the start.
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite waits in short turns: Python handles Ctrl-C between them.
    began, said = time.monotonic(), False
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_TURN}")
    try:
        while not _locked(connection, began + _TIMEOUT):
            if not said and time.monotonic() > began + _PATIENCE:
                said = True
                if (waiting := options.get("waiting")) is not None:
                    waiting()
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(_TIMEOUT * 1000)}")


def _locked(connection: Connection, deadline: float) -> bool:
    """Whether a transaction that writes could begin; raises OperationalError after `deadline`."""
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
            raise
        return False
    return True
