"""Input and output of the catalog as plain dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]  # path and member of a location
SPLITS = ("train", "valid", "test")
FILE_STATUSES = ("accepted", "rejected", "missing")


@dataclass(frozen=True)
class ExaminedFile:
    """The result of examining one location on disk; input of `Catalog.record`."""

    path: str  # as Workspace.relative and names.store_path give it
    member: str  # name inside an archive, else ""
    size: int  # of the file on disk (the archive's, for a member)
    mtime_ns: int
    sha256: str | None = None
    kind: str = "midi"
    code: str | None = None  # None: accepted
    detail: str | None = None
    repair: str | None = None
    checks: int = 0
    length: int = 0  # of the content, in bytes
    title: str = ""
    composer: str | None = None
    is_listed: bool = False  # a table names the composer
    split: str | None = None  # official: given by a table of its data set
    labels: Mapping[str, str] = field(default_factory=dict)  # of a new file
    facts: Mapping[str, Any] = field(default_factory=dict)  # columns of File
    sketch: bytes | None = None

    @property
    def key(self) -> Key:
        """Its location."""
        return self.path, self.member


@dataclass(frozen=True, slots=True)
class PieceInfo:
    """An accepted file: its facts, and where to read it."""

    id: int
    path: str  # of its first location, as Workspace.relative and names.store_path give it
    member: str | None
    kind: str
    sha256: str
    split: str | None
    composer: str | None
    labels: dict[str, str]
    seconds: float
    notes: int
    cluster: str | None = None  # equal for near-duplicates
    locations: tuple[tuple[str, str | None], ...] = ()  # (path, member) of each, if there are many


@dataclass(frozen=True, slots=True)
class KnownLocation:
    """What the catalog knows about one location, to decide whether it must be read again."""

    size: int
    mtime_ns: int
    checks: int
    code: str | None
    file_id: int | None = None  # of its content; None for an archive


@dataclass(frozen=True)
class OfficialSplits:
    """The accepted files with an official split."""

    files: dict[str, int]  # by official split
    moved: int  # those in another split, because a near-duplicate is


@dataclass(frozen=True)
class FileSketch:
    """The sketch of one accepted file; see `musictk.sketches`."""

    file_id: int
    sha256: str
    kind: str
    data: bytes
    split: str | None = None


@dataclass(frozen=True)
class FileToGroup:
    """A file to group. `split` is kept if it has no near-duplicate."""

    id: int
    sha256: str
    kind: str
    sketch: bytes | None
    split: str | None = None
