"""The music that a command names: a file, a member of an archive, a sample or a catalog entry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from musictk.catalog import Catalog, load_path
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.ingest.load import missing_file, read_music
from musictk.reading.kinds import kind_of
from musictk.reading.read import split_tunes
from musictk.rendering.abc import abc_to_midi, abc_to_score
from musictk.tokens import Piece
from musictk.workspace import Workspace

Place = tuple[Path, str | None]  # a file, and the member if it is an archive
OpenCatalog = Callable[[], AbstractContextManager[Catalog | None]]


@dataclass(frozen=True)
class NamedMusic:
    """Music, and where it was found."""

    path: Path  # the file; of a member of an archive, its name in the current directory
    data: bytes  # the content of the file
    piece: Piece
    rewritten: tuple[tuple[int, int], ...] = ()  # of a sample: the bars that were written again

    @property
    def midi(self) -> bytes:
        """The music as a MIDI file, converted from ABC notation if need be."""
        return abc_to_midi(self.piece) if isinstance(self.piece, str) else self.data

    @property
    def score(self) -> ScoreTick:
        """The music, converted from ABC notation if need be; raises MusictkError for other text."""
        if not isinstance(self.piece, str):
            return self.piece
        if "X:" not in self.piece:
            raise UsageError(f"{self.path} is text, not music", "choose a MIDI or ABC file")
        return abc_to_score(self.piece)

    @property
    def tunes(self) -> int:
        """How many pieces the file has; of several ABC tunes `score` is the first."""
        return len(split_tunes(self.piece)) if isinstance(self.piece, str) else 1


def find_music(name: str, workspace: Workspace, open_catalog: OpenCatalog) -> NamedMusic:
    """Read the music called `name`; the catalog is opened only if there is no such file.

    A name is a path, ARCHIVE/MEMBER, the id of a sample or of a file in the catalog (`sample:3` or
    `file:3` where both exist), or the title or path of a file in the catalog. Raises MusictkError
    if there is none, or if it cannot be read.
    """
    place = _on_disk(Path(name))
    if place is None:
        with open_catalog() as catalog:
            place = _in_catalog(name, workspace, catalog)
            return replace(_read(*place), rewritten=_rewritten(name, workspace, catalog, place))
    return _read(*place)


def read_named(file: str | Path) -> NamedMusic:
    """A MIDI or ABC file, with the checks and repairs of ingest.

    Raises MusictkError where it is missing or not accepted.
    """
    return _read(Path(file), None)


def read_score(file: str | Path) -> ScoreTick:
    """The music of a MIDI or ABC file; see `read_named`."""
    return read_named(file).score


def _on_disk(path: Path) -> Place | None:
    """The file and the member that a path names; None if there is nothing."""
    try:
        if path.is_symlink() or path.exists():
            return path, None
    except OSError:
        return path, None  # reading it reports what is wrong
    for folder in path.parents:
        if folder.is_file() and kind_of(folder.name) == "archive":
            return folder, path.relative_to(folder).as_posix()
    return None


def _read(path: Path, member: str | None) -> NamedMusic:
    if member is None and path.is_dir():
        raise UsageError(f"{path} is a directory", "name a file in it")
    if member is None and kind_of(path.name) == "archive" and path.is_file():
        raise UsageError(f"{path} is an archive", f"name a file in it: {path}/NAME.mid")
    data, piece = read_music(path, member)
    return NamedMusic(path if member is None else Path(Path(member).name), data, piece)


def _in_catalog(name: str, workspace: Workspace, catalog: Catalog | None) -> Place:
    """The file and the member of a sample or of a file in the catalog."""
    if catalog is None:
        raise missing_file(Path(name))
    kind, colon, key = name.partition(":")
    if colon and kind in ("sample", "file"):
        return (
            _sample(key, workspace, catalog)
            if kind == "sample"
            else _file(catalog.show(key), workspace)
        )
    try:
        found = catalog.show(name)
    except UnknownNameError as error:
        if name.isdecimal():
            return _sample(name, workspace, catalog)
        raise missing_file(Path(name), error.known) from error
    if name.isdecimal() and _has_sample(name, catalog):
        hint = f"write sample:{name} or file:{name}"
        raise UsageError(f"{name} is both a sample and a file in the catalog", hint)
    return _file(found, workspace)


def _sample(key: str, workspace: Workspace, catalog: Catalog) -> Place:
    if not key.isdecimal():
        raise UsageError(f"no sample {key!r}", "give its id, such as sample:3")
    path = workspace.resolve(catalog.sample(int(key)).path)
    if not path.is_file():
        hint = f"write it again: musictk sample --like {key}"
        raise MusictkError(f"the file of sample {key} is missing: {path}", hint)
    return path, None


def _rewritten(
    name: str, workspace: Workspace, catalog: Catalog | None, place: Place
) -> tuple[tuple[int, int], ...]:
    """The bars of a sample that were written again; () for other music."""
    key = name.removeprefix("sample:")
    if catalog is None or not key.isdecimal() or not _has_sample(key, catalog):
        return ()
    row = catalog.sample(int(key))
    if workspace.resolve(row.path) != place[0]:
        return ()
    found = row.request.get("infill", {}).get("bars", ())
    return tuple((int(first), int(last)) for first, last in found)


def _has_sample(key: str, catalog: Catalog) -> bool:
    try:
        catalog.sample(int(key))
    except UnknownNameError:
        return False
    return True


def _file(found: dict[str, Any], workspace: Workspace) -> Place:
    """The first place of a file in the catalog that still exists."""
    for place in found["places"]:
        path = workspace.resolve(load_path(place["path"]))
        if path.is_file():
            return path, load_path(place["member"]) if place["member"] else None
    last = found["last_path"]
    hint = f"it was last at {last}" if last else "`musictk catalog check` lists missing files"
    raise MusictkError(f"the file {found['title']!r} of the catalog is missing", hint)
