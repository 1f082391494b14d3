"""Labels: categorical facts about files, set one by one or from a CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from posixpath import normpath
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from musictk.catalog.composers import find_composer, named_composer
from musictk.catalog.database import Database
from musictk.catalog.distinct import distinct_values
from musictk.catalog.models import File, Label
from musictk.catalog.selection import select_files, select_labelled
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.files import open_regular
from musictk.table_files import TableError, read_rows

_KEYS = ("file", "path", "sha256", "composer")  # columns that select files


class Labels(Database):
    """Set labels of files."""

    def label(self, selection: str, category: str, value: str) -> int:
        """Label the files that `selection` matches; return their number.

        `selection` is the first of these that matches: an id, a path, the first digits of a
        SHA-256, the name of a composer (all files by it), a title. The category `composer` sets the
        composer itself. An empty value removes the label. Raises UnknownNameError where nothing
        matches, UsageError where a path or title matches several files, and for the categories
        `split` and `cluster`.
        """
        with self.writing() as session:
            files = select_labelled(session, selection)
            for file in files:
                _set(session, file, category.strip(), value.strip())
            return len(files)

    def label_values(self) -> dict[str, list[str]]:
        """The values of every category of labels."""
        with self.reading() as session:
            return {
                category: distinct_values(session, Label.value, Label.category == category)
                for category in distinct_values(session, Label.category)
            }

    def label_csv(self, path: Path) -> dict[str, Any]:
        """Label by a table with a header: one column (file, path, sha256 or composer) selects
        files, each other column is a category. An empty cell changes nothing.

        Returns {"labels": labels set, "rows": rows, "unknown": keys that matched no file, or
        several}. Raises UsageError where no column selects files.
        """
        columns, rows = read_table(path)
        key = next((key for key in _KEYS if key in columns), None)
        if key is None:
            raise UsageError(
                f"{path} has no column that names files", f"name one column {' or '.join(_KEYS)}"
            )
        return self.label_rows(rows, key)

    def label_rows(self, rows: Sequence[Mapping[str, str]], key: str) -> dict[str, Any]:
        """Label by rows whose column `key` selects files; see `label_csv`."""
        count = 0
        unknown: list[str] = []
        by = "composer" if key == "composer" else "file"
        with self.writing() as session:
            for row in rows:
                named = row.get(key, "")
                files = _meant(session, named, by)
                if not files:
                    unknown.append(named)
                for file in files:
                    for category, value in row.items():
                        if category not in (key, "") and value.strip():
                            _set(session, file, category, value.strip())
                            count += 1
        return {"labels": count, "rows": len(rows), "unknown": unknown}


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The column names and the rows of a table, in any format of `musictk.table_files`.

    A row may be shorter. Raises UsageError for a missing file, MusictkError for one that is no
    table.
    """
    try:
        names, *rows = [*read_rows(path.name, lambda: open_regular(path))] or [[]]
    except TableError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise UsageError(f"{path} does not exist", "check the path") from error
        raise MusictkError(f"{path} is not a table: {error}", "give a CSV file") from error
    columns = [name.strip() for name in names]
    return columns, [dict(zip(columns, row, strict=False)) for row in rows]


def _meant(session: Session, key: str, by: str) -> list[File]:
    """The files of a row; a title or part of a path that matches several files is ambiguous."""
    if not key.strip():
        return []
    if by == "file":
        found = select_files(session, key, composers=False)
        if not found.files:
            found = select_files(session, normpath(key), composers=False)
        return found.files if len(found.files) == 1 or found.kind == "archive" else []
    try:
        owner = find_composer(session, key).id
    except UnknownNameError:
        return []
    return list(session.scalars(select(File).where(File.composer_id == owner)))


def _set(session: Session, file: File, category: str, value: str) -> None:
    if category == "composer":
        file.composer_id = named_composer(session, value).id if value else None
        file.joined_from = None
        return
    if category in ("split", "cluster") or not category:
        raise UsageError(f"{category!r} cannot be a label", "assign splits with: catalog split")
    found = session.get(Label, (file.id, category))
    if not value:
        if found is not None:
            session.delete(found)
    elif found is None:
        session.add(Label(file_id=file.id, category=category, value=value))
    else:
        found.value = value
