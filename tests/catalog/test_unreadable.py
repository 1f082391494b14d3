"""Values that are not of their column's type are counted, and read as missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from musictk.catalog import SPLITS, Catalog, ExaminedFile, unreadable


def test_a_spoiled_value_is_counted_once_and_read_as_missing(
    tmp_path: Path, find: Callable[..., ExaminedFile]
) -> None:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    with Catalog.open(url, tmp_path) as catalog:
        catalog.record([find(1), find(2)])
    unreadable.take()
    connection = sqlite3.connect(tmp_path / "catalog.db")
    with connection:
        connection.execute("UPDATE files SET seconds = 'long' WHERE id = 1")
    connection.close()
    with Catalog.open(url, tmp_path) as catalog:
        rows = {row["id"]: row for row in catalog.files()}
    assert unreadable.take() == 1
    assert unreadable.take() == 0
    assert rows[1]["seconds"] is None
    assert rows[2]["seconds"] is not None
    assert rows[1]["split"] in SPLITS
