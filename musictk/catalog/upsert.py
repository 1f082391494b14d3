"""Insert or update rows: files by content, locations by path, composers by folded name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.models import Alias, Composer, File, Label, Location
from musictk.catalog.names import fold
from musictk.catalog.records import ExaminedFile, FileToGroup, Key
from musictk.catalog.typed_paths import typed_place

# Rows are written without the ORM, which takes as long as SQLite.
_FILES: Any = File.__table__
_PLACES: Any = Location.__table__


class ComposerIds:
    """Composer ids by name, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ids: dict[str, int] = {}

    def id(self, name: str | None) -> int | None:
        key = fold(name or "")
        if not key:
            return None
        if key not in self._ids:
            alias = self._session.get(Alias, key)
            self._ids[key] = alias.composer_id if alias else self._add(key, name or "")
        return self._ids[key]

    def _add(self, key: str, name: str) -> int:
        composer = Composer(name=name.strip())
        composer.aliases.append(Alias(key=key, spelling=name.strip()))
        self._session.add(composer)
        self._session.flush()
        return composer.id


class RecordedFiles(NamedTuple):
    """What `record_files` did."""

    ids: list[int | None]  # of each examined file; None for an archive
    joining: list[FileToGroup]  # the files to group
    fresh: set[int]  # ids of the files that were not known
    kept: list[Key]  # where files keep another composer than the names there give


def record_files(
    session: Session, examined: Sequence[ExaminedFile], owners: Sequence[int | None]
) -> RecordedFiles:
    """Insert or update the examined files."""
    plan = _Plan(_by_sha(session, {found.sha256 for found in examined if found.sha256}))
    slots = [plan.slot(found, owner) for found, owner in zip(examined, owners, strict=True)]
    if plan.regrouped:
        from musictk.catalog.grouping import ungroup  # numpy: not needed for reading

        ungroup(session, plan.regrouped)
    made = _insert_files(session, plan.fresh)
    labels = [
        {"file_id": made[-1 - slot], "category": category, "value": value}
        for slot, found in plan.added
        for category, value in found.labels.items()
    ]
    if labels:
        session.execute(insert(Label), labels)
    for row in plan.stale:
        session.execute(update(File).where(File.id == row.pop("id")).values(row))
    ids = [made[-1 - slot] if slot is not None and slot < 0 else slot for slot in slots]
    joining = [
        FileToGroup(
            made[-1 - slot] if slot < 0 else slot,
            str(found.sha256),
            found.kind,
            found.sketch,
            split,
        )
        for slot, found, split in plan.joining
    ]
    return RecordedFiles(ids, joining, set(made), plan.kept)


class _Plan:
    """The inserts and updates that a batch of examined files leads to."""

    def __init__(self, known: dict[str, _KnownFile]) -> None:
        self._known = known
        self.fresh: list[dict[str, Any]] = []  # rows to insert
        self.added: list[tuple[int, ExaminedFile]] = []  # (slot, file) of each of them
        self.stale: list[dict[str, Any]] = []  # rows to update
        self.regrouped: list[int] = []  # clustered by an outdated sketch or status
        # (slot, file, current split) of each file to group
        self.joining: list[tuple[int, ExaminedFile, str | None]] = []
        self.kept: list[Key] = []  # where files keep another composer than the names give

    def slot(self, found: ExaminedFile, owner: int | None) -> int | None:
        """The file's id; -1 - index in `fresh` for a new one; None for an archive."""
        if found.kind == "archive" and found.code is None:
            return None
        file = self._known.get(found.sha256 or "")
        if file is None:
            return self._add(found, owner)
        if file.id > 0 and (file.checks < found.checks or file.status == "missing"):
            self._update(file, found)
        self._fill(found, owner)
        return file.id

    def _fill(self, found: ExaminedFile, owner: int | None) -> None:
        """A known file gets the composer and the official split that another place gives it."""
        file = self._known[str(found.sha256)]
        other = file.composer_id is not None and owner not in (None, file.composer_id)
        if other and found.code is None:
            self.kept.append(found.key)
        gained: dict[str, Any] = {}
        if file.composer_id is None and owner is not None:
            gained["composer_id"] = owner
        if file.official is None and found.split is not None:
            gained["official_split"] = found.split
        if not gained:
            return
        if file.id < 0:
            self.fresh[-1 - file.id] |= gained
        else:
            self.stale.append({"id": file.id} | gained)
        self._known[str(found.sha256)] = file._replace(
            composer_id=gained.get("composer_id", file.composer_id),
            official=gained.get("official_split", file.official),
        )

    def _add(self, found: ExaminedFile, owner: int | None) -> int:
        slot = -1 - len(self.fresh)
        named = {"title": found.title, "composer_id": owner, "official_split": found.split}
        self.fresh.append(_columns(found) | named | {"path": found.path})
        self.added.append((slot, found))
        if found.sha256:
            self._known[found.sha256] = _KnownFile(
                slot, found.checks, "", owner, None, None, found.split
            )
        if found.code is None:
            self.joining.append((slot, found, found.split))
        return slot

    def _update(self, file: _KnownFile, found: ExaminedFile) -> None:
        self.stale.append({"id": file.id} | _columns(found))
        moved = file.cluster is not None and file.checks == found.checks and found.code is None
        if file.cluster is not None and not moved:
            self.regrouped.append(file.id)
        if found.code is None and not moved:
            self.joining.append((file.id, found, file.split or file.official))
        self._known[str(found.sha256)] = file._replace(checks=found.checks, status="")


def _insert_files(session: Session, rows: list[dict[str, Any]]) -> list[int]:
    """Insert rows of `files`; return their ids."""
    if not rows:
        return []
    everything = dict.fromkeys(key for row in rows for key in row)
    rows = [everything | row for row in rows]
    if session.get_bind().dialect.name != "sqlite":
        query = insert(File).returning(File.id, sort_by_parameter_order=True)
        return list(session.scalars(query, rows))
    # This transaction holds the write lock. With known ids all rows are one statement.
    first = (session.scalar(select(func.max(File.id))) or 0) + 1
    ids = range(first, first + len(rows))
    named = [row | {"id": id} for id, row in zip(ids, rows, strict=True)]
    session.connection().execute(_FILES.insert(), named)
    return list(ids)


class Replaced(NamedTuple):
    """A file that another one has replaced at one of its places."""

    file_id: int
    by: ExaminedFile
    by_id: int | None  # None: an archive

    @property
    def last(self) -> str:
        return typed_place(*self.by.key)


class RecordedLocations(NamedTuple):
    """What `record_locations` did."""

    new: set[Key]  # places that were not known
    replaced: list[Replaced]


def record_locations(
    session: Session, examined: Sequence[ExaminedFile], ids: Sequence[int | None]
) -> RecordedLocations:
    """Insert or update the locations of the examined files."""
    known: dict[Key, int | None] = {}
    for chunk in chunks(sorted({found.path for found in examined})):
        query = select(Location.path, Location.member, Location.file_id).where(
            Location.path.in_(chunk)
        )
        known |= {(path, member): file_id for path, member, file_id in session.execute(query)}
    pairs = list(zip(examined, ids, strict=True))
    rows = {
        found.key: {
            "path": found.path,
            "member": found.member,
            "size": found.size,
            "mtime_ns": found.mtime_ns,
            "checks": found.checks,
            "file_id": file_id,
        }
        for found, file_id in pairs
    }
    if new := [row for key, row in rows.items() if key not in known]:
        session.connection().execute(_PLACES.insert(), new)
    if old := [row for key, row in rows.items() if key in known]:
        session.execute(update(Location), old)
    replaced = [
        Replaced(before, found, file_id)
        for found, file_id in pairs
        if (before := known.get(found.key)) is not None and before != file_id
    ]
    return RecordedLocations(rows.keys() - known.keys(), replaced)


class _KnownFile(NamedTuple):
    id: int
    checks: int
    status: str
    composer_id: int | None
    cluster: str | None
    split: str | None
    official: str | None


def _by_sha(session: Session, hashes: set[str]) -> dict[str, _KnownFile]:
    found: dict[str, _KnownFile] = {}
    for chunk in chunks(sorted(hashes)):
        columns = (File.id, File.checks, File.status, File.composer_id, File.cluster, File.split)
        query = select(File.sha256, *columns, File.official_split)
        for sha256, *rest in session.execute(query.where(File.sha256.in_(chunk))):
            found[str(sha256)] = _KnownFile._make(rest)
    return found


def _columns(found: ExaminedFile) -> dict[str, Any]:
    return {
        "sha256": found.sha256,
        "kind": found.kind,
        "size": found.length,
        "checks": found.checks,
        "status": "accepted" if found.code is None else "rejected",
        "code": found.code,
        "detail": found.detail,
        "repair": found.repair,
        "sketch": found.sketch,
        **found.facts,
    }


def drop_orphaned(session: Session, last: Mapping[int, str]) -> None:
    """Of the files with these last places, delete orphaned ones without a hash.

    Other orphaned files are marked as `missing`, with their last place.
    A file is orphaned if it has no location. It keeps cluster and split until `Catalog.forget` is
    called at the end of an ingest, so that a file that was only moved keeps its split.
    """
    for chunk in chunks(sorted(last)):
        nowhere = File.id.in_(chunk) & ~exists().where(Location.file_id == File.id)
        session.execute(delete(File).where(File.sha256.is_(None), nowhere))
        session.execute(
            update(File).where(nowhere).values(status="missing"),
            execution_options={"synchronize_session": False},
        )
    if last:
        query = _FILES.update().where(
            _FILES.c.id == bindparam("left"), _FILES.c.status == "missing"
        )
        query = query.values(last_path=bindparam("at"))
        session.connection().execute(query, [{"left": id, "at": last[id]} for id in last])
