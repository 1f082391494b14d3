"""Attribute files: composer, title, split and labels, from what is given, tables and names.

The first of these that names a composer counts: `--composer`, the row of `--composers`, the row of
a table in the collection (the one in the nearest folder first), folders and file name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

from musictk.errors import MusictkError, UsageError
from musictk.files import open_regular
from musictk.ingest.file_index import FileIndex
from musictk.ingest.find import FoundFile, title_of
from musictk.ingest.folder_names import is_generic, known_composer
from musictk.ingest.folders import FolderTree
from musictk.ingest.metadata import FileMetadata, described_files, recognise
from musictk.reading.limits import Limits
from musictk.reading.listing import list_members
from musictk.table_files import TableError, is_table, may_be_about_music, read_rows

_LIMITS = Limits()
_DEEPEST = 32  # folders above a file that count
_NOTHING = FileMetadata()
NAMES = ("folder", "file name")  # sources of a composer that are no table


class FileAttribution(NamedTuple):
    """What is known about a file before it is read."""

    composer: str | None
    title: str
    split: str | None  # official
    labels: Mapping[str, str]
    source: str  # of the composer: "folder", "file name", "--composer", or the name of a table
    split_source: str = ""  # "folder", or the name of a table


@dataclass(frozen=True)
class Given:
    """What the user gives for all files."""

    composer: str | None = None
    table: Path | None = None


@dataclass
class TableReport:
    """The tables that were read."""

    used: Counter[str] = field(default_factory=Counter)  # files described, by table
    bad: list[str] = field(default_factory=list)  # `NAME: reason`
    # Rows of `--composers` that match no file, with their composers.
    unknown: list[tuple[str, str]] = field(default_factory=list)
    # Words of `--composers` that name no split, with the number of their rows.
    unknown_splits: Counter[str] = field(default_factory=Counter)


class _Table(NamedTuple):
    name: str  # as shown
    folder: str  # absolute
    opened: Callable[[], IO[bytes]]


class Attributions:
    """The attributions of all files of one ingest; make it before the files are read."""

    def __init__(
        self,
        found_files: Sequence[FoundFile] = (),
        members: Callable[[FoundFile], Iterable[str] | None] = lambda file: None,
        given: Given = Given(),
        known: Mapping[str, str] = MappingProxyType({}),
        limits: Limits = _LIMITS,
    ) -> None:
        """`members` gives the members of an archive if they are known, else None: it is listed.

        `known` are the composers of the catalog by folded name. Raises UsageError where the given
        table does not exist or lacks a column, MusictkError where it cannot be read.
        """
        self.tables = TableReport()
        self._given = given
        self._known = known
        self._trees: dict[Path, FolderTree] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._metadata: dict[int, FileMetadata] = {}
        self._split_tables: dict[int, str] = {}
        self._from_given: set[int] = set()
        self.entries: list[tuple[FoundFile, str]] = []  # every file, with its name in an archive
        tables, paths = self._collect(found_files, members, limits)
        for tree in self._trees.values():
            tree.resolve()
        if tables or given.table:
            self._index = FileIndex(paths)
            self._read(tables)

    def of(self, file: FoundFile, member: str = "") -> FileAttribution:
        """What is known about a file, or about a member of an archive."""
        folders, name = _parts(file, member)
        tree = self._trees[file.root]
        number = self._numbers.get((file.place, member), -1)
        row = self._metadata.get(number, _NOTHING)
        split, split_source = row.split, self._split_tables.get(number, "")
        if split is None:
            split, split_source = tree.split(folders), "folder"
        if self._given.composer:
            composer: str | None = self._given.composer
            source = "--composer"
        elif row.composer:
            composer, source = row.composer, row.table
        else:
            composer, source = tree.composer_and_source(folders, name)
        title = row.title or title_of(name)
        return FileAttribution(
            composer, title, split, row.labels, source, split_source if split else ""
        )

    def given(self, file: FoundFile, member: str = "") -> FileAttribution | None:
        """What the user gives for a file with `--composer` or `--composers`; None for nothing."""
        listed = self._numbers.get((file.place, member)) in self._from_given
        return self.of(file, member) if listed or self._given.composer else None

    def _collect(
        self,
        found_files: Sequence[FoundFile],
        members: Callable[[FoundFile], Iterable[str] | None],
        limits: Limits,
    ) -> tuple[list[_Table], list[str]]:
        """Add every file to the tree of its root; return the tables, and all paths if needed."""
        tables: list[_Table] = []
        entries = self.entries
        for file in found_files:
            if file.root not in self._trees:
                self._trees[file.root] = FolderTree(_root_name(file.root), self._known)
            if file.kind == "table":
                opened = _opener(file.path)
                tables.append(_Table(file.path.name, file.path.parent.as_posix(), opened))
            elif file.kind == "archive":
                names = members(file)
                if names is None:
                    listing = list_members(file.path, limits, is_table)
                    names = listing.names
                    for name, data in listing.tables.items():
                        path = Path(file.path.parent, *_inside(name))
                        tables.append(_Table(path.name, path.parent.as_posix(), _bytes(data)))
                entries += [(file, name) for name in names]
            elif file.kind != "folder":
                entries.append((file, ""))
        for file, member in entries:
            self._trees[file.root].add(*_parts(file, member))
        if not tables and not self._given.table:
            return [], []
        self._numbers = {(file.place, name): place for place, (file, name) in enumerate(entries)}
        return tables, [_absolute(file, member) for file, member in entries]

    def _read(self, tables: list[_Table]) -> None:
        if self._given.table:
            self._read_given(self._given.table)
        for table in sorted(tables, key=lambda table: (-table.folder.count("/"), table.name)):
            roots = [root for root in map(Path.as_posix, self._trees) if _below(table.folder, root)]
            try:
                self._apply(table, [table.folder, *roots], min(roots, key=len, default=""))
            except TableError as error:
                self.tables.bad.append(f"{table.name}: {error}")

    def _read_given(self, path: Path) -> None:
        bases = [Path.cwd(), path.absolute().parent, *self._trees]
        table = _Table(path.name, "", _opener(path))
        try:
            self._apply(table, [base.as_posix() for base in bases], "", given=True)
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist", "check the path") from error
        except TableError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise UsageError(f"{path} does not exist", "check the path") from error
            raise MusictkError(f"{path} is not a table: {error}", "give a CSV file") from error

    def _apply(self, table: _Table, bases: Sequence[str], within: str, given: bool = False) -> None:
        """Attribute the files that the rows of a table name. Raises TableError."""
        if not given and not may_be_about_music(table.name, table.opened):
            return
        rows = read_rows(table.name, table.opened)
        columns = recognise(next(rows, []))
        if given and (columns is None or columns.composer is None):
            shown = self._given.table
            raise UsageError(f"{shown} lacks a column", "name its columns: path,composer")
        if columns is None:
            return
        for keys, metadata, word in described_files(table.name, columns, rows):
            numbers = {n for key in keys for n in self._index.find(key, bases, within)}
            for number in numbers:
                self._add(number, metadata, table.name)
            if given and word is not None:
                self.tables.unknown_splits[word] += 1
            if given and metadata.composer:
                self._from_given |= numbers
                if not numbers:
                    key = next(filter(None, keys), "")
                    self.tables.unknown.append((key, metadata.composer))

    def _add(self, number: int, metadata: FileMetadata, table: str) -> None:
        current = self._metadata.get(number)
        if current is None:
            current = self._metadata[number] = FileMetadata()
            self.tables.used[table] += 1
        if metadata.split and not current.split:
            self._split_tables[number] = table
        current.add(metadata)


def _root_name(root: Path) -> str:
    """The name of a given folder; for `Bach/fugues`, that of the composer above it."""
    place = Path(os.path.normpath(root))
    for folder in (place, *place.parents[:2]):
        if folder == Path.home() or not is_generic(folder.name):
            return folder.name if folder == place or known_composer(folder.name) else place.name
    return place.name


def _parts(file: FoundFile, member: str) -> tuple[tuple[str, ...], str]:
    """Folders from the root, and name. An archive named after a composer counts as a folder."""
    if not member:
        return file.below[:-1][:_DEEPEST], file.below[-1]
    *inside, name = _inside(member) or [member]
    stem = file.below[-1].partition(".")[0]
    archive = [stem] if known_composer(stem) else []
    return (*file.below[:-1], *archive, *inside)[:_DEEPEST], name


def _inside(member: str) -> list[str]:
    return [name for name in member.split("/") if name not in ("", ".", "..")]


def _absolute(file: FoundFile, member: str) -> str:
    if not member:
        return file.path.as_posix()
    return "/".join([file.path.parent.as_posix().rstrip("/"), *_inside(member)])


def _below(folder: str, root: str) -> bool:
    return f"{folder}/".startswith(f"{root.rstrip('/')}/")


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: open_regular(path)


def _bytes(data: bytes) -> Callable[[], IO[bytes]]:
    return lambda: BytesIO(data)
