"""Find files in folders, and derive composer and title from their paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from musictk.catalog import fold
from musictk.errors import MusictkError, UsageError
from musictk.files import cause
from musictk.reading.kinds import RESOURCE_FOLDER, kind_of


@dataclass(frozen=True)
class FoundFile:
    """A file on disk that was not read yet."""

    path: Path
    root: str  # name of the folder that was searched
    below: tuple[str, ...]  # folders and name, relative to that folder
    kind: str  # midi | text | abc | archive | folder (one that cannot be listed)
    size: int
    mtime_ns: int
    refused: str = ""  # why a folder cannot be listed


def find(paths: Sequence[Path]) -> Iterator[FoundFile]:
    """Every file of a known kind under `paths`, folder by folder in the order of names.

    If all paths are in one folder (`midis/*` in a shell), that folder counts as the root. Links to
    folders are not followed. Raises UsageError for a path that does not exist, MusictkError for a
    folder that cannot be read.
    """
    roots = [path.absolute() for path in paths]
    together = _one_collection(roots)
    for root in roots:
        if not root.exists():
            raise UsageError(f"{root} does not exist", "give a folder, file, zip or tar")
        if root.is_dir():
            yield from _walk(root, root.parent if together else root)
        else:
            yield _found(root, root.parent, kind_of(root.name) or "midi")


def composer_of(below: Sequence[str], root: str, known: Mapping[str, str]) -> str | None:
    """The composer of a file: the first folder under the root, or the name `Composer - Title`.

    Other files directly in the root are by the composer that the root is named after, if it is in
    `known` (canonical names by folded name), so that a folder `midis` is not a composer.
    """
    if len(below) > 1:
        return below[0]
    name, dash, _ = PurePosixPath(below[-1]).stem.partition(" - ")
    return name.strip() if dash and fold(name) else known.get(fold(root))


def title_of(name: str) -> str:
    """A file's name without folder, extension and composer."""
    stem = PurePosixPath(name).stem
    composer, dash, rest = stem.partition(" - ")
    return rest.strip() if dash and composer.strip() and rest.strip() else stem


def _one_collection(roots: Sequence[Path]) -> bool:
    """Whether these folders are composers in one folder, not separate collections.

    In the current directory (`ingest *`, but also `ingest ./midis ./more`) they are composers only
    if each contains files directly.
    """
    if len(roots) < 2 or len({root.parent for root in roots}) > 1:
        return False
    folders = [root for root in roots if root.is_dir()]
    return roots[0].parent != Path.cwd() or all(
        any(kind_of(each.name) for each in folder.iterdir()) for folder in folders
    )


def _walk(folder: Path, root: Path) -> Iterator[FoundFile]:
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if name != RESOURCE_FOLDER)
        for name in sorted(names):
            kind = kind_of(name)
            if kind is not None:
                yield _found(Path(parent, name), root, kind)
    for error in closed:
        if Path(error.filename) == folder:
            raise MusictkError(f"cannot read {folder}: {cause(error)}") from error
        yield replace(_found(Path(error.filename), root, "folder"), refused=cause(error))


def _found(path: Path, root: Path, kind: str) -> FoundFile:
    below = path.relative_to(root).parts
    try:
        status = path.stat()
    except OSError:  # a broken link: reported when it is read
        return FoundFile(path, root.name, below, kind, 0, 0)
    return FoundFile(path, root.name, below, kind, status.st_size, status.st_mtime_ns)
