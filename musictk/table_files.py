"""Read untrusted tables (CSV, TSV, JSON, JSON lines, xlsx) as rows of text."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import unescape
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Any

from musictk.files import cause

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xlsx")
LARGEST = 1 << 30  # bytes of a CSV file, which is read row by row
_IN_MEMORY = 64 << 20  # bytes of a JSON file or a sheet
_ROWS = 5_000_000
_CHUNK = 1 << 20
_HEAD = 1 << 16  # bytes in which a table about music has one of these words
_HINTS = re.compile(
    rb"compos|komponi|artist|author|title|titel|titre|titul|song|split|partition|set"
)
_COLUMN = re.compile(r"(^|[\W_])(composer|artist|title|split)s?($|[\W_])")
_DELIMITERS = ",;\t|"
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

Open = Callable[[], IO[bytes]]
Rows = Iterator[Sequence[str]]


class TableError(Exception):
    """A table that cannot be read, with the reason."""


def is_table(name: str) -> bool:
    """Whether a file of this name may be a table."""
    lower = name.lower()
    return lower.endswith(TABLES) and PurePosixPath(lower).suffix in TABLES and lower[:2] != "._"


def read_rows(name: str, opened: Open) -> Rows:
    """The rows of a table, the names of its columns first. Raises TableError, also while iterated.

    CSV may be separated by commas, semicolons, tabs or `|`, in UTF-8, UTF-16 or Latin-1. JSON may
    be a list of objects, an object of columns, or an object of rows.
    """
    suffix = PurePosixPath(name).suffix.lower()
    readers: dict[str, Callable[[Open], Rows]] = {
        ".json": _json,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".xlsx": _xlsx,
    }
    try:
        yield from islice(readers.get(suffix, _csv)(opened), _ROWS)
    except (OSError, ValueError, KeyError, IndexError, EOFError, csv.Error) as error:
        raise TableError(cause(error)[:200]) from error
    except (RecursionError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise TableError(str(error)[:200]) from error


def may_be_about_music(name: str, opened: Open) -> bool:
    """A cheap test of the first bytes, so that other large files are not read.

    True for all xlsx files, which are compressed. Raises TableError.
    """
    if PurePosixPath(name).suffix.lower() == ".xlsx":
        return True
    try:
        with opened() as stream:
            head = stream.read(_HEAD).lower()
    except OSError as error:
        raise TableError(cause(error)) from error
    return bool(_HINTS.search(head.replace(b"\0", b"")))


def _csv(opened: Open) -> Rows:
    with opened() as stream:
        encoding = _encoding(stream)
    with opened() as stream, io.TextIOWrapper(stream, encoding, newline="") as text:
        first = text.readline(_CHUNK)
        delimiter = max(_DELIMITERS, key=first.count)
        lines: Iterator[str] = iter(text)
        for row in csv.reader(_joined(first, lines), delimiter=delimiter):
            if row:
                yield row


def _joined(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _encoding(stream: IO[bytes]) -> str:
    """UTF-8 where all of it is, else that of its first bytes, else Latin-1. Checks the size."""
    first = stream.read(_CHUNK)
    for bom, encoding in _BOMS.items():
        if first.startswith(bom):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, chunk = 0, first
    try:
        while chunk:
            size += len(chunk)
            if size > LARGEST:
                raise TableError(f"more than {LARGEST} bytes")
            decoder.decode(chunk)
            chunk = stream.read(_CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _json(opened: Open) -> Rows:
    with opened() as stream:
        value = json.loads(_bounded(stream))
    return _objects(_records(value))


def _json_lines(opened: Open) -> Rows:
    with opened() as stream:
        lines = _bounded(stream).splitlines()
    return _objects([json.loads(line) for line in lines if line.strip()])


def _bounded(stream: IO[bytes]) -> bytes:
    data = stream.read(_IN_MEMORY + 1)
    if len(data) > _IN_MEMORY:
        raise TableError(f"more than {_IN_MEMORY} bytes")
    return data


def _records(value: Any) -> list[Any]:
    """The rows of a JSON table: of a list, of an object of columns, of an object of rows."""
    if isinstance(value, dict) and value:
        parts = list(value.values())
        if len(parts) == 1 and isinstance(parts[0], list):
            return parts[0]
        if all(isinstance(part, list) for part in parts):
            return [dict(zip(value, row, strict=False)) for row in zip(*parts, strict=False)]
        if all(isinstance(part, dict) for part in parts):
            if any(isinstance(item, dict | list) for item in islice(parts[0].values(), 1)):
                return []
            if any(_COLUMN.search(key.casefold()) for key in value):  # as pandas writes columns
                return [{key: part.get(row) for key, part in value.items()} for row in parts[0]]
            return [{"path": key, **part} for key, part in value.items()]
    return value if isinstance(value, list) else []


def _objects(records: Iterable[Any]) -> Rows:
    rows = [record for record in records if isinstance(record, dict)]
    columns = list(dict.fromkeys(key for row in rows[:100] for key in row))
    yield columns
    for row in rows:
        yield [_text(row.get(column)) for column in columns]


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


# Parts of an xlsx file, found without an XML parser: no entities, nothing external.
_STRING = re.compile(r"<si\b.*?</si>", re.DOTALL)
_CHARACTERS = re.compile(r"<t\b[^>]*>(.*?)</t>", re.DOTALL)
_ROW = re.compile(r"<row\b.*?</row>", re.DOTALL)
_CELL = re.compile(r"<c\b([^>]*?)(?:/>|>(.*?)</c>)", re.DOTALL)
_VALUE = re.compile(r"<v>(.*?)</v>", re.DOTALL)
_PLACE = re.compile(r'\br="([A-Z]{1,3})\d+"')


def _xlsx(opened: Open) -> Rows:
    """The first sheet of a spreadsheet."""
    with opened() as stream, zipfile.ZipFile(io.BytesIO(_bounded(stream))) as book:
        names = book.namelist()
        sheet = min(name for name in names if name.startswith("xl/worksheets/sheet"))
        strings = (
            [_characters(part) for part in _STRING.findall(_part(book, "xl/sharedStrings.xml"))]
            if "xl/sharedStrings.xml" in names
            else []
        )
        for row in _ROW.findall(_part(book, sheet)):
            cells: dict[int, str] = {}
            for attributes, content in _CELL.findall(row):
                place = _PLACE.search(attributes)
                column = _column(place[1]) if place else len(cells)
                value = _VALUE.search(content)
                text = unescape(value[1]) if value else _characters(content)
                shared = 't="s"' in attributes
                cells[column] = strings[int(text)] if shared else text
            yield [cells.get(column, "") for column in range(max(cells, default=-1) + 1)]


def _part(book: zipfile.ZipFile, name: str) -> str:
    with book.open(name) as stream:
        return _bounded(stream).decode("utf-8", "replace")


def _characters(part: str) -> str:
    return unescape("".join(_CHARACTERS.findall(part)))


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
