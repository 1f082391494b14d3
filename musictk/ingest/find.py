"""Find files: folders, single files, archives; and whose they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from musictk.catalog import fold
from musictk.errors import MusictkError, UsageError
from musictk.files import cause
from musictk.reading.kinds import kind_of


@dataclass(frozen=True)
class FoundFile:
    """A file on disk, before anything was read of it."""

    path: Path
    root: str  # name of the folder it was found under
    below: tuple[str, ...]  # folders and name, from that root
    kind: str  # midi | text | abc | archive | folder (one that cannot be listed)
    size: int
    mtime_ns: int
    refused: str = ""  # why a folder cannot be listed


def find(paths: Sequence[Path]) -> Iterator[FoundFile]:
    """Every file worth examining under `paths`, folder by folder in the order of names.

    Folders that are all of one folder (`midis/*` in a shell) count as found under that one. Links
    to folders are not followed. Raises UsageError for a path that is not there.
    """
    roots = [path.absolute() for path in paths]
    together = _one_collection(roots)
    for root in roots:
        if not root.exists():
            raise UsageError(f"{root} does not exist", "name a folder, a file, a zip or a tar")
        if root.is_dir():
            yield from _walk(root, root.parent if together else root)
        else:
            yield _found(root, root.parent, kind_of(root.name) or "midi")


def composer_of(below: Sequence[str], root: str, known: Mapping[str, str]) -> str | None:
    """Whose a file is: the first folder under the root, else `Composer - Title`, else nobody's.

    Files that lie in the root itself are by the composer it is named after, if there is one in
    `known` (canonical names by folded name): a folder `midis` is nobody.
    """
    if len(below) > 1:
        return below[0]
    name, dash, _ = PurePosixPath(below[-1]).stem.partition(" - ")
    return name.strip() if dash and fold(name) else known.get(fold(root))


def title_of(name: str) -> str:
    """A file's name without its folder, ending and composer."""
    stem = PurePosixPath(name).stem
    composer, dash, rest = stem.partition(" - ")
    return rest.strip() if dash and composer.strip() and rest.strip() else stem


def _one_collection(roots: Sequence[Path]) -> bool:
    """Whether these are the composers of one folder, and not collections side by side.

    Where the user stands in their folder (`ingest *`, but also `ingest ./midis ./more`), they are
    composers only if each holds files itself.
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
        folders.sort()
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
    except OSError:  # a link that leads nowhere: reading it will say so
        return FoundFile(path, root.name, below, kind, 0, 0)
    return FoundFile(path, root.name, below, kind, status.st_size, status.st_mtime_ns)
