"""Add files to the catalog: find them, examine them in workers, record and group them."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from musictk.catalog import (
    Catalog,
    ExaminedFile,
    Fractions,
    fold,
    load_path,
    store_path,
)
from musictk.catalog.records import Key
from musictk.catalog.typed_paths import typed_place
from musictk.garbage import frozen
from musictk.ingest.attribution import NAMES, Attributions, FileAttribution, Given
from musictk.ingest.find import FoundFile
from musictk.ingest.locations import Locations, beginning, current_locations, dead_copies
from musictk.ingest.recent import UNKNOWN, find_timed
from musictk.ingest.report import IngestReport
from musictk.reading.archives import read_members
from musictk.reading.limits import Limits
from musictk.reading.pool import Pool, WorkerTask, cpus
from musictk.reading.reasons import Reason, RejectedError
from musictk.workspace import Workspace

# Increase it when checks, facts or sketches change, so that known files are examined again.
CHECKS_VERSION = 3
_PAUSE = 2.0  # seconds after which a partial batch is written
_RETRY = {Reason.UNREADABLE, Reason.TIMEOUT, Reason.WORKER_DIED}  # may succeed next time


@dataclass(frozen=True)
class IngestOptions:
    """Options of `ingest`."""

    workers: int | None = None  # default: one for each CPU this process may use
    composer: str | None = None  # of every file
    composers: Path | None = None  # a table with columns path (or file) and composer
    text: bool = False  # read the .txt files of folders and archives too
    fractions: Fractions = field(default_factory=Fractions)
    limits: Limits = field(default_factory=Limits)
    batch: int = 256  # files in one transaction


class IngestListener(Protocol):
    """Receives the progress of `ingest`, after each batch is committed."""

    def ingested(self, done: int, total: int) -> None: ...


def ingest(
    catalog: Catalog,
    workspace: Workspace,
    paths: Sequence[Path],
    options: IngestOptions = IngestOptions(),
    listener: IngestListener | None = None,
) -> IngestReport:
    """Add every file under `paths` to the catalog; known and unchanged files are skipped.

    Files are recorded in order, one transaction per batch, so that an interrupted ingest can be
    completed by running it again. Raises UsageError for a path that does not exist. A file that
    cannot be used is counted in the report and is not an error.
    """
    with frozen():
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
        self._members: dict[str, set[str]] = {}  # archive -> members, where all of it was read
        self._known_locations: Locations = {}
        self._attributions = Attributions()
        self._kept: list[Key] = []  # new places of files that keep another composer
        self._total = 0
        self._folders: dict[str, str] = {}  # path relative to the workspace, by folder

    def run(self, paths: Sequence[Path]) -> IngestReport:
        began = time.perf_counter()
        every_file = find_timed(paths)
        self._known_locations = current_locations(self._catalog, self._workspace, paths)
        found_files = [file for file in every_file if self._wanted(file)]
        self._total = len(found_files)
        fresh = [file for file in found_files if not self._unchanged(file)]
        self._attribute(every_file, fresh)
        workers = self._options.workers or cpus()
        with Pool(self._options.limits, workers) as pool:
            self._record(pool, fresh)
        self._forget(paths, found_files)  # after adding: a moved file is not missing
        self._catalog.inherit()  # after that: a moved file gives nothing
        self._set_given(found_files)
        self._report.names.taken = self._catalog.complete_splits(self._options.fractions)
        self._report.names.tables = self._attributions.tables
        self._report.names.moved = self._catalog.moved_files()
        self._report.composers = sorted(self._report.names.composers)
        self._report.seconds = time.perf_counter() - began
        return self._report

    def _stored(self, place: str) -> str:
        parent, name = os.path.split(place)
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._folders[parent] = self._workspace.relative(Path(parent))
        return store_path(name if folder == "." else f"{folder.rstrip('/')}/{name}")

    def _unchanged(self, file: FoundFile) -> bool:
        known = self._known_locations.get((self._stored(file.place), ""))
        same = (
            known is not None
            and (known.size, known.mtime_ns) == (file.size, file.mtime_ns)
            and file.mtime_ns != UNKNOWN
            and known.checks >= CHECKS_VERSION
            and known.code not in _RETRY
        )
        self._report.unchanged += same
        return same

    def _forget(self, paths: Sequence[Path], found_files: Sequence[FoundFile]) -> None:
        """Delete the locations under the given folders, and in archives, that no longer exist.

        Elsewhere, those of files that were found again: they were moved, or their folder renamed.
        """
        there = {self._stored(file.place) for file in found_files}
        roots = tuple(beginning(path.absolute()) for path in paths if path.is_dir())
        # Files in a folder that cannot be listed may still exist.
        closed = tuple(beginning(each.path) for each in found_files if each.refused)
        base = self._workspace.root.absolute()

        def deleted(path: str, member: str) -> bool:
            if path in there:
                members = self._members.get(path)  # None: the archive was not read to its end
                return bool(member) and members is not None and member not in members
            place = os.path.normpath(base / load_path(path))
            return place.startswith(roots) and not place.startswith(closed)

        gone = [key for key in self._known_locations if deleted(*key)]
        dead = dead_copies(self._catalog, self._workspace, there)
        self._catalog.forget([*gone, *dead])
        self._report.missing = len(gone)

    def _record(self, pool: Pool, found_files: Sequence[FoundFile]) -> None:
        batch: list[ExaminedFile] = []
        done, written = 0, time.monotonic()
        for task, (answer, blob) in pool.run(self._tasks(found_files)):
            examined: ExaminedFile = task.tag(answer, blob)
            batch.append(examined)
            done += 1
            if len(batch) >= self._options.batch or time.monotonic() - written > _PAUSE:
                self._write(batch, done)
                batch, written = [], time.monotonic()
        if batch:
            self._write(batch, done)

    def _write(self, batch: list[ExaminedFile], done: int) -> None:
        self._kept += self._catalog.record(batch, self._options.fractions)
        for examined in batch:
            if examined.code is not None:
                self._report.rejected[str(examined.code)] += 1
            elif examined.kind != "archive":
                self._report.accepted += 1
                self._report.repaired += examined.repair is not None
        if self._listener is not None:
            self._listener.ingested(done, self._total - self._report.unchanged)

    def _tasks(self, found_files: Sequence[FoundFile]) -> Iterator[WorkerTask]:
        for file in found_files:
            if file.kind == "archive":
                yield from self._unpack(file)
            elif file.refused:
                refused = RejectedError(Reason.UNREADABLE, file.refused)
                yield self._task(file, "", "midi", None, refused)
            else:
                yield self._task(file, "", file.kind, None)

    def _unpack(self, file: FoundFile) -> Iterator[WorkerTask]:
        refused: RejectedError | None = None
        names: set[str] = set()
        try:
            for entry in read_members(file.path, self._options.limits):
                stored = store_path(entry.name)
                if stored in names:  # of several members of one name the first counts
                    continue
                names.add(stored)
                known = (self._stored(file.place), stored) in self._known_locations
                if entry.kind != "text" or self._options.text or known:
                    yield self._task(file, entry.name, entry.kind, entry.data, entry.refused)
            self._members[self._stored(file.place)] = names
        except RejectedError as error:
            refused = error
        yield self._task(file, "", "archive", b"", refused)

    def _task(
        self,
        file: FoundFile,
        member: str,
        kind: str,
        data: bytes | None,
        refused: RejectedError | None = None,
    ) -> WorkerTask:
        named = self._attributions.of(file, member)
        examined: dict[str, Any] = {
            "path": self._stored(file.place),
            "member": store_path(member),
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "kind": kind,
            "checks": CHECKS_VERSION,
            "title": store_path(named.title),
            "composer": store_path(named.composer) if named.composer else None,
            "is_listed": bool(named.composer) and named.source not in NAMES,
            "split": named.split,
            "labels": named.labels,
        }

        def conclude(answer: Mapping[str, Any], blob: bytes) -> ExaminedFile:
            if refused is not None:
                answer = {"code": refused.reason, "detail": refused.detail}
            elif kind != "archive" and answer.get("code") is None:
                self._report.names.add(named)
            return ExaminedFile(**examined, **answer, sketch=blob or None)

        if kind == "archive" or refused is not None:
            return WorkerTask({}, tag=conclude, answer=({}, b""))
        message = {"do": "examine", "kind": kind, "path": file.place}
        return WorkerTask(message, data, tag=conclude)

    def _wanted(self, file: FoundFile) -> bool:
        """Tables are no music; text files count only if they are asked for, or were before."""
        if file.kind == "table":
            return False
        text = file.kind == "text" and not (self._options.text or file.named)
        return not text or (self._stored(file.place), "") in self._known_locations

    def _attribute(self, every_file: Sequence[FoundFile], fresh: Sequence[FoundFile]) -> None:
        """Find out the composers, titles and splits of all files, before they are read."""
        options = self._options
        tables = any(file.kind == "table" for file in every_file)
        if not (fresh or tables or options.composer or options.composers):
            return
        changed = {file.place for file in fresh}
        known: dict[str, list[str]] = defaultdict(list)  # members of archives
        for path, member in self._known_locations:
            known[path] += [load_path(member)] if member else []
        names = {fold(name): name for name in self._catalog.composer_names()}

        def members(file: FoundFile) -> list[str] | None:
            return None if file.place in changed else known[self._stored(file.place)]

        given = Given(options.composer, options.composers)
        self._attributions = Attributions(every_file, members, given, names, options.limits)

    def _set_given(self, found_files: Sequence[FoundFile]) -> None:
        """Set the composers and splits that the user gives, of known files too."""
        given: dict[Key, FileAttribution] = {}
        if self._options.composer or self._options.composers:
            given = self._given(found_files)
            self._apply_given(given)
        self._report.kept = [typed_place(*place) for place in self._kept if place not in given]

    def _given(self, found_files: Sequence[FoundFile]) -> dict[Key, FileAttribution]:
        """What the user gives for the files that are in the catalog, by (path, member)."""
        files = {self._stored(file.place): file for file in found_files}
        return {
            (path, member): named
            for path, member in self._catalog.known_locations((), files)
            if path in files
            and (named := self._attributions.given(files[path], load_path(member))) is not None
        }

    def _apply_given(self, given: Mapping[Key, FileAttribution]) -> None:
        self._report.reassigned = self._catalog.set_composers(
            {key: store_path(named.composer) for key, named in given.items() if named.composer}
        )
        self._catalog.set_official_splits(
            {key: named.split for key, named in given.items() if named.split}
        )
        rest = self._attributions.tables.unknown
        if rest and not self._options.composer:
            rows = [{"file": key, "composer": name} for key, name in rest]
            self._report.unknown = self._catalog.label_rows(rows, "file")["unknown"]
