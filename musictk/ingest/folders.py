"""Infer composers and splits from the folders of a collection and the names of its files.

The composer of a file is named by a folder above it, or by its name `Composer - Title`:

1. A folder named after a well-known composer, or one of the catalog; the outermost one.
2. Else a folder beside such folders: `Anon` in a folder that also contains `Bach` and `Chopin`.
3. Else the outermost folder whose name is not generic (see `folder_names`) and which does not wrap
   everything. The name of the file wins over this one if the folder contains several composers.

The folder that was given is a composer only by rule 1. Folders named `train`, `valid` and `test`
beside each other give official splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from musictk.catalog import fold
from musictk.ingest.folder_names import is_generic, known_composer, split_of


class FolderFacts(NamedTuple):
    """What the folders above a file say about it."""

    composer: str | None = None
    certain: bool = False  # the composer is well-known or beside well-known ones
    split: str | None = None


_NOTHING = FolderFacts()


@dataclass
class _Folder:
    name: str
    files: int = 0  # in it directly
    total: int = 0  # and below it
    folders: dict[str, _Folder] = field(default_factory=dict)
    authors: Counter[str] = field(default_factory=Counter)  # of its files named `Composer - Title`
    facts: FolderFacts = _NOTHING


class FolderTree:
    """The folders below one given folder. Add every file, then call `resolve` once."""

    def __init__(self, root: str, known: Mapping[str, str]) -> None:
        self._root = _Folder(root)
        self._known = known  # composers of the catalog, by folded name
        self._paths: dict[tuple[str, ...], _Folder] = {(): self._root}

    def add(self, folders: tuple[str, ...], name: str) -> None:
        """Add a file by its folders, from the root, and its name."""
        folder = self._folder(folders)
        folder.files += 1
        if " - " in name and (author := author_of(name)):
            folder.authors[fold(author)] += 1

    def resolve(self) -> None:
        """Find the composer and the split of every folder."""
        self._count(self._root)
        known = self._composer(self._root.name)
        self._root.facts = FolderFacts(known, known is not None)
        pending = [self._root]
        while pending:
            parent = pending.pop()
            self._resolve(parent)
            pending += parent.folders.values()

    def composer_and_source(self, folders: tuple[str, ...], name: str) -> tuple[str | None, str]:
        """The composer of a file, and whether a "folder" or the "file name" names it."""
        folder = self._nearest(folders)
        composer, certain, _ = folder.facts
        author = author_of(name) if not certain and " - " in name else None
        if author and (composer is None or known_composer(author) or _has_authors(folder)):
            return author, "file name"
        return composer, "folder"

    def split(self, folders: tuple[str, ...]) -> str | None:
        """The split that a folder above the file is named after."""
        return self._nearest(folders).facts.split

    def _nearest(self, folders: tuple[str, ...]) -> _Folder:
        """The folder, or the one above it for a folder without files."""
        while folders not in self._paths:
            folders = folders[:-1]
        return self._paths[folders]

    def _folder(self, folders: tuple[str, ...]) -> _Folder:
        found = self._paths.get(folders)
        if found is None:
            parent = self._folder(folders[:-1])
            found = self._paths[folders] = parent.folders[folders[-1]] = _Folder(folders[-1])
        return found

    def _count(self, root: _Folder) -> None:
        for folders in sorted(self._paths, key=len, reverse=True):
            folder = self._paths[folders]
            folder.total += folder.files
            if folder is not root:
                self._paths[folders[:-1]].total += folder.total

    def _resolve(self, parent: _Folder) -> None:
        composer, certain, split = parent.facts
        known = {name: self._composer(name) for name in parent.folders}
        beside_known = any(known.values())
        splits = {name: split_of(name) for name in parent.folders}
        official = len(set(splits.values()) - {None}) > 1 and "train" in splits.values()
        for name, folder in parent.folders.items():
            given = splits[name] if official else None
            mine, sure = composer, certain
            if not certain and known[name]:
                mine, sure = known[name], True
            elif not certain and not is_generic(name):
                if beside_known:
                    mine, sure = name, True
                elif composer is None and not self._wraps(folder):
                    mine = name
            folder.facts = FolderFacts(mine, sure, split or given)

    def _composer(self, name: str) -> str | None:
        """The composer that a folder is named after, of the list or of the catalog."""
        listed = known_composer(name)
        if listed is not None:
            return self._known.get(fold(listed), listed)
        return None if is_generic(name) else self._known.get(fold(name))

    def _wraps(self, folder: _Folder) -> bool:
        """Whether all music is in this folder, and in several folders below it that have names."""
        return folder.total == self._root.total and len(_named(folder)) > 1


def author_of(name: str) -> str | None:
    """The composer in a file name `Composer - Title`; None for a number or a generic word."""
    author, dash, _ = PurePosixPath(name).stem.partition(" - ")
    author = author.strip()
    if not dash or not fold(author):
        return None
    return known_composer(author) or (None if is_generic(author) else author)


def _has_authors(folder: _Folder) -> bool:
    """Whether most files are named `Composer - Title`, by several composers."""
    return len(folder.authors) > 1 and 2 * folder.authors.total() >= folder.files


def _named(folder: _Folder) -> set[str]:
    """The folders below that are not generic, each the first on its way."""
    found: set[str] = set()
    for name, child in folder.folders.items():
        found |= _named(child) if is_generic(name) else {name}
    return found
