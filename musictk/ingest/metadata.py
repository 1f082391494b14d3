"""The metadata tables of data sets: composer, title, split and labels of files, by column names.

A table is any CSV, TSV, JSON, JSON lines or xlsx file with a column that names files and one of
composers, titles or splits. This covers MAESTRO, ASAP, POP909, GigaMIDI and PDMX, and tables that
a user wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from musictk.ingest.folder_names import SPLIT_WORDS
from musictk.table_files import Rows

_COMPOSERS = (  # names of the column, best first
    "canonical composer",
    "composer",
    "composer name",
    "composers",
    "komponist",
    "compositeur",
    "compositor",
    "compositore",
    "kompozytor",
    "artist",
    "artist name",
    "artists",
    "author",
)
_TITLES = (
    "canonical title",
    "title",
    "song name",
    "track name",
    "piece name",
    "work title",
    "titel",
    "titre",
    "titulo",
    "titolo",
    "song",
    "piece",
    "work",
    "name",
)
_SPLITS = ("split", "official split", "partition", "set", "subset", "fold")
_LABELS = ("year", "genre", "style", "period", "era", "mood", "form")
_FILES = frozenset(
    """
    path file filename filepath midi mid smf md5 sha256 sha1 location basename stem
    datei dateiname pfad fichier archivo ruta plik
    """.split()  # noqa: SIM905 (a list of words)
)
_FILE_IDS = ("id", "song id", "track id", "piece id", "key", "midi id", "midi score")
_OTHER_FILES = frozenset(
    ("audio", "wav", "mp3", "annotations", "xml", "mxl", "pdf", "json", "url", "image", "metadata")
)
_COLUMN_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(("", "-", "nan", "none", "null", "n/a", "na", "unknown", "?"))
_LONGEST = 300  # characters of a value


class TableColumns(NamedTuple):
    """The columns of a table by what they contain."""

    files: tuple[int, ...]
    composer: int | None
    title: int | None
    split: int | None
    labels: Mapping[str, int]


@dataclass
class FileMetadata:
    """What the tables say about one file."""

    composer: str | None = None
    title: str | None = None
    split: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    table: str = ""  # the one that names the composer

    def add(self, other: FileMetadata) -> None:
        """Fill what is missing."""
        if self.composer is None and other.composer is not None:
            self.composer, self.table = other.composer, other.table
        self.title = self.title or other.title
        self.split = self.split or other.split
        self.labels = {**other.labels, **self.labels}


def recognise(columns: Sequence[str]) -> TableColumns | None:
    """The columns of a table; None if it does not describe files."""
    names = [" ".join(_COLUMN_WORD.findall(name.casefold())) for name in columns]
    composer, split = _first(names, _COMPOSERS), _first(names, _SPLITS)
    title = _first(names, _TITLES)
    files = [
        place
        for place, name in enumerate(names)
        if place not in (composer, split) and (_FILES & set(name.split()) or name in _FILE_IDS)
    ]
    music = [place for place in files if not _OTHER_FILES & set(names[place].split())]
    files = music or files
    title = None if title in files else title
    labels = {name: names.index(name) for name in _LABELS if name in names}
    if not files or (composer is None and title is None and split is None):
        return None
    return TableColumns(tuple(files), composer, title, split, labels)


class DescribedFile(NamedTuple):
    """One row of a table."""

    keys: list[str]  # each names the file, or one of several
    metadata: FileMetadata
    unknown_split: str | None = None  # the word in the column of splits, if it names none


def described_files(table: str, columns: TableColumns, rows: Rows) -> Iterator[DescribedFile]:
    """The rows of a table, after the names of its columns."""
    for row in rows:

        def value(place: int | None, row: Sequence[str] = row) -> str | None:
            return _clean(row[place]) if place is not None and place < len(row) else None

        keys = [row[place].strip() for place in columns.files if place < len(row)]
        labels = {name: found for name, place in columns.labels.items() if (found := value(place))}
        word = value(columns.split)
        split = SPLIT_WORDS.get((word or "").casefold())
        composer, title = value(columns.composer), value(columns.title)
        metadata = FileMetadata(composer, title, split, labels, table)
        yield DescribedFile(keys, metadata, word if split is None else None)


def _first(names: Iterable[str], wanted: Iterable[str]) -> int | None:
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    return next((places[name] for name in wanted if name in places), None)


def _clean(value: str) -> str | None:
    """One line without control characters; None for an empty value."""
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())[:_LONGEST]
    return None if text.casefold() in _EMPTY else text
