"""Find music files and metadata tables in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from musictk.errors import MusictkError, UsageError
from musictk.files import cause, open_regular
from musictk.ingest.folder_names import known_composer
from musictk.reading.kinds import RESOURCE_FOLDER, kind_of
from musictk.table_files import is_table

_TABLES = 8  # in one folder; more of them describe one piece each


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk that was not read yet."""

    place: str  # absolute path; a text, since a million files are as many of these
    root: Path  # the folder that was searched
    below: tuple[str, ...]  # folders and name, relative to that folder
    kind: str  # midi | text | abc | archive | table | folder (one that cannot be listed)
    size: int
    mtime_ns: int
    refused: str = ""  # why a folder cannot be listed
    named: bool = False  # the user named this file, not a folder it is in

    @property
    def path(self) -> Path:
        return Path(self.place)


def find(paths: Sequence[Path]) -> Iterator[FoundFile]:
    """Every file of a known kind under `paths`, folder by folder in the order of names.

    If all paths are in one folder (`midis/*` in a shell), that folder counts as the root. A link
    to a folder is followed, unless it leads to one that is read anyway. Raises UsageError for a
    path that does not exist, MusictkError for a folder that cannot be read.
    """
    roots = [path.absolute() for path in paths]
    together, known = _one_collection(roots), _Folders(filter(Path.is_dir, roots))
    for root in roots:
        if not root.exists():
            raise UsageError(f"{root} does not exist", "give a folder, file, zip or tar")
        if root.is_dir():
            yield from _walk(root, root.parent if together else root, known)
        elif (kind := _kind_of_named(root, len(roots))) is not None:
            yield replace(_found(str(root), root.parent, (root.name,), kind), named=True)


def title_of(name: str) -> str:
    """A file's name without folder, extension and composer."""
    stem = PurePosixPath(name).stem
    composer, dash, rest = stem.partition(" - ")
    return rest.strip() if dash and composer.strip() and rest.strip() else stem


def _kind_of_named(path: Path, count: int) -> str | None:
    """The kind of a file that the user named; MIDI if it has another name.

    None for a file among others, as a shell writes `*`, that is no music.
    """
    kind = kind_of(path.name)
    if kind is None and count > 1:
        if is_table(path.name):
            return "table"
        if not _begins_as_midi(path):
            return None
    return kind or "midi"


def _begins_as_midi(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return stream.read(4) in (b"MThd", b"RIFF")
    except OSError:
        return True  # reported when it is read


def _one_collection(roots: Sequence[Path]) -> bool:
    """Whether these folders are composers in one folder, not separate collections.

    In the current directory (`ingest *`, but also `ingest ./midis ./more`) they are composers only
    if one is named after a well-known composer, or each contains files directly.
    """
    if len(roots) < 2 or len({root.parent for root in roots}) > 1:
        return False
    folders = [root for root in roots if root.is_dir()]
    return (
        roots[0].parent != Path.cwd()
        or any(known_composer(folder.name) for folder in folders)
        or all(any(_is_music(each.name) for each in folder.iterdir()) for folder in folders)
    )


def _is_music(name: str) -> bool:
    return kind_of(name) in ("midi", "abc", "archive")


def _walk(folder: Path, root: Path, known: _Folders) -> Iterator[FoundFile]:
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append, followlinks=True):
        folders[:] = [
            name
            for name in sorted(folders)
            if name != RESOURCE_FOLDER and known.new(Path(parent, name))
        ]
        tables = {name for name in names if is_table(name)}
        below = Path(parent).relative_to(root).parts
        beginning = parent.rstrip(os.sep) + os.sep
        for name in sorted(names):
            kind = kind_of(name)
            if kind is None and len(tables) <= _TABLES and name in tables:
                kind = "table"
            if kind is not None:
                yield _found(beginning + name, root, (*below, name), kind)
    for error in closed:
        if Path(error.filename) == folder:
            raise MusictkError(f"cannot read {folder}: {cause(error)}") from error
        place = Path(error.filename)
        found = _found(str(place), root, place.relative_to(root).parts, "folder")
        yield replace(found, refused=cause(error))


class _Folders:
    """Which folders are read: each once, and none through a link that leads above a given one."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = [root.resolve() for root in roots]
        self._linked: list[Path] = []  # what the links lead to

    def new(self, folder: Path) -> bool:
        """Whether a folder is to be read, also through a link."""
        if folder.is_symlink():
            target = folder.resolve()
            above = any(root.is_relative_to(target) for root in self._roots)
            if above or any(target.is_relative_to(one) for one in (*self._roots, *self._linked)):
                return False
            self._linked.append(target)
            return True
        return not self._linked or folder.resolve() not in self._linked


def _found(place: str, root: Path, below: tuple[str, ...], kind: str) -> FoundFile:
    try:
        status = os.stat(place)  # noqa: PTH116 (a Path for each of a million files is slow)
    except OSError:  # a broken link: reported when it is read
        return FoundFile(place, root, below, kind, 0, 0)
    return FoundFile(place, root, below, kind, status.st_size, status.st_mtime_ns)
