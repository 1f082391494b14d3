"""Files into the catalog: found, examined in workers, recorded, grouped, dealt into splits."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from musictk.catalog import (
    Catalog,
    ExaminedFile,
    Fractions,
    KnownLocation,
    fold,
    load_path,
    store_path,
)
from musictk.catalog.labels import read_table
from musictk.errors import UsageError
from musictk.ingest.find import FoundFile, composer_of, find, title_of
from musictk.reading.archives import read_members
from musictk.reading.limits import Limits
from musictk.reading.pool import Pool, Task, cpus
from musictk.reading.reasons import Reason, RejectedError
from musictk.workspace import Workspace

CHECKS_VERSION = (
    2  # raise it when files should be examined again: other checks, facts or fingerprints
)
_PAUSE = 2.0  # seconds after which a smaller batch is written too
_RETRY = {Reason.UNREADABLE, Reason.TIMEOUT, Reason.WORKER_DIED}  # may go better next time


@dataclass(frozen=True)
class IngestOptions:
    """How `ingest` goes about it."""

    workers: int | None = None  # by default one for each CPU this process may use
    composer: str | None = None  # every file is by this composer
    composers: Path | None = None  # a CSV with columns path (or file) and composer
    fractions: Fractions = field(default_factory=Fractions)
    limits: Limits = field(default_factory=Limits)
    batch: int = 256  # findings in one transaction


class IngestListener(Protocol):
    """Hears how far `ingest` has come; called after each batch is safe on disk."""

    def ingested(self, done: int, total: int) -> None: ...


@dataclass
class IngestReport:
    """What came of it."""

    accepted: int = 0
    unchanged: int = 0
    missing: int = 0  # known places under the given folders that hold nothing any more
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    repaired: int = 0
    composers: list[str] = field(default_factory=list)  # of the files seen, by name
    unknown: list[str] = field(default_factory=list)  # rows of the table that mean no file
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {"rejected": dict(self.rejected)}


def ingest(
    catalog: Catalog,
    workspace: Workspace,
    paths: Sequence[Path],
    options: IngestOptions = IngestOptions(),
    listener: IngestListener | None = None,
) -> IngestReport:
    """Take every file under `paths` into the catalog; what is known and unchanged is passed over.

    Findings are recorded in the order of the files, batch by batch, so that a run that is killed
    leaves a beginning of what it would have done; running it again does the rest.
    Raises UsageError for a path that is not there. A file that cannot be used is never an error.
    """
    return _Ingest(catalog, workspace, options, listener).run(paths)


class _Ingest:
    def __init__(
        self,
        catalog: Catalog,
        workspace: Workspace,
        options: IngestOptions,
        listener: IngestListener | None,
    ) -> None:
        self._catalog, self._workspace, self._options = catalog, workspace, options
        self._listener = listener
        self._report = IngestReport()
        self._composers: set[str] = set()
        self._seen: dict[tuple[str, str], KnownLocation] = {}
        self._table: dict[str, str] = {}  # the user's own: path below the root, or name
        self._used: set[str] = set()  # its rows that meant a file
        self._known: dict[str, str] = {}  # composers of the catalog, by folded name
        self._total = 0
        self._folders: dict[str, str] = {}  # as the catalog has them

    def run(self, paths: Sequence[Path]) -> IngestReport:
        began = time.perf_counter()
        self._table = _read_composers(self._options.composers)
        self._known = {fold(row["name"]): row["name"] for row in self._catalog.composers()}
        places = list({place.path: place for place in find(paths)}.values())
        self._seen = self._catalog.known_locations()
        self._total = len(places)
        fresh = [place for place in places if not self._unchanged(place)]
        workers = self._options.workers or cpus()
        with Pool(self._options.limits, workers) as pool:
            self._record(pool, fresh)
        self._forget(paths, places)  # after the new places: a file that moved is never missing
        self._attribute(places)
        self._catalog.complete_splits(self._options.fractions)
        self._report.composers = sorted(self._composers)
        self._report.seconds = time.perf_counter() - began
        return self._report

    def _stored(self, path: Path) -> str:
        parent, name = os.path.split(path)
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._folders[parent] = self._workspace.relative(Path(parent))
        return store_path(f"{folder}/{name}" if folder != "." else name)

    def _unchanged(self, place: FoundFile) -> bool:
        seen = self._seen.get((self._stored(place.path), ""))
        same = (
            seen is not None
            and (seen.size, seen.mtime_ns) == (place.size, place.mtime_ns)
            and seen.checks >= CHECKS_VERSION
            and seen.code not in _RETRY
        )
        self._report.unchanged += same
        return same

    def _forget(self, paths: Sequence[Path], places: Sequence[FoundFile]) -> None:
        """Drop places under the given folders where nothing lies any more."""
        there = {self._stored(place.path) for place in places}
        roots = tuple(self._stored(path.absolute()) + "/" for path in paths if path.is_dir())
        # What lies in a folder that cannot be listed may well be there.
        closed = tuple(self._stored(each.path) + "/" for each in places if each.refused)
        gone = [
            key
            for key in self._seen
            if key[0] not in there and key[0].startswith(roots) and not key[0].startswith(closed)
        ]
        self._catalog.forget(gone)
        self._report.missing = len(gone)

    def _record(self, pool: Pool, places: Sequence[FoundFile]) -> None:
        batch: list[ExaminedFile] = []
        done, written = 0, time.monotonic()
        for task, (answer, blob) in pool.run(self._tasks(places)):
            finding: ExaminedFile = task.tag(answer, blob)
            batch.append(finding)
            done += 1
            if len(batch) >= self._options.batch or time.monotonic() - written > _PAUSE:
                self._write(batch, done)
                batch, written = [], time.monotonic()
        if batch:
            self._write(batch, done)

    def _write(self, batch: list[ExaminedFile], done: int) -> None:
        self._catalog.record(batch, self._options.fractions)
        for finding in batch:
            if finding.code is not None:
                self._report.rejected[str(finding.code)] += 1
            elif finding.kind != "archive":
                self._report.accepted += 1
                self._report.repaired += finding.repair is not None
                self._composers |= {finding.composer} if finding.composer else set()
        if self._listener is not None:
            self._listener.ingested(done, self._total - self._report.unchanged)

    def _tasks(self, places: Sequence[FoundFile]) -> Iterator[Task]:
        for place in places:
            if place.kind == "archive":
                yield from self._unpack(place)
            elif place.refused:
                refused = RejectedError(Reason.UNREADABLE, place.refused)
                yield self._task(place, "", "midi", None, refused)
            else:
                yield self._task(place, "", place.kind, None)

    def _unpack(self, place: FoundFile) -> Iterator[Task]:
        refused: RejectedError | None = None
        try:
            for entry in read_members(place.path, self._options.limits):
                yield self._task(place, entry.name, entry.kind, entry.data, entry.refused)
        except RejectedError as error:
            refused = error
        yield self._task(place, "", "archive", b"", refused)

    def _task(
        self,
        place: FoundFile,
        member: str,
        kind: str,
        data: bytes | None,
        refused: RejectedError | None = None,
    ) -> Task:
        below = _below(place, member)
        composer = self._told(below) or composer_of(below, place.root, self._known)
        finding: dict[str, Any] = {
            "path": self._stored(place.path),
            "member": store_path(member),
            "size": place.size,
            "mtime_ns": place.mtime_ns,
            "kind": kind,
            "checks": CHECKS_VERSION,
            "title": store_path(title_of(below[-1])),
            "composer": store_path(composer) if composer else None,
        }

        def conclude(answer: Mapping[str, Any], blob: bytes) -> ExaminedFile:
            if refused is not None:
                answer = {"code": refused.reason, "detail": refused.detail}
            return ExaminedFile(**finding, **answer, sketch=blob or None)

        if kind == "archive" or refused is not None:
            return Task({}, tag=conclude, answer=({}, b""))
        message = {"do": "examine", "kind": kind, "path": str(place.path)}
        return Task(message, data, tag=conclude)

    def _told(self, below: Sequence[str]) -> str | None:
        """What the user says about whose a file is."""
        if self._options.composer:
            return self._options.composer
        for key in ("/".join(below), below[-1]):
            if key in self._table:
                self._used.add(key)
                return self._table[key]
        return None

    def _attribute(self, places: Sequence[FoundFile]) -> None:
        """What the user says goes for files that are known already, too."""
        if not self._options.composer and not self._table:
            return
        by_path = {self._stored(place.path): place for place in places}
        told = {
            (path, member): self._told(_below(by_path[path], load_path(member)))
            for path, member in self._catalog.known_locations()
            if path in by_path
        }
        self._catalog.set_composers({key: name for key, name in told.items() if name})
        rest = {key: name for key, name in self._table.items() if key not in self._used}
        if rest and not self._options.composer:
            rows = [{"file": key, "composer": name} for key, name in rest.items()]
            self._report.unknown = self._catalog.label_rows(rows, "file")["unknown"]


def _below(place: FoundFile, member: str) -> tuple[str, ...]:
    """Folders and name, from the root; an archive counts as the folder it lies in."""
    return (*place.below[:-1], *member.split("/")) if member else place.below


def _read_composers(path: Path | None) -> dict[str, str]:
    """Composer by path or file name, from the CSV file given with --composers."""
    if path is None:
        return {}
    columns, rows = read_table(path)
    key = next((key for key in ("path", "file") if key in columns), None)
    if key is None or "composer" not in columns:
        raise UsageError(f"{path} lacks a column", "name its columns: path,composer")
    return {row[key]: row["composer"] for row in rows if row["composer"]}
