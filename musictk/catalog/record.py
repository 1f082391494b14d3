"""Findings into rows: files by content, places by path, composers by folded name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from musictk.catalog.models import Alias, Composer, File, Place
from musictk.catalog.names import fold
from musictk.catalog.records import Finding

_CHUNK = 500  # values in one IN (...)


class Names:
    """Composer ids by name, for the length of one transaction."""

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


def record_files(
    session: Session, findings: Sequence[Finding], owners: Sequence[int | None]
) -> list[int | None]:
    """Insert or renew the files found; returns each finding's file id."""
    known = _by_sha(session, {finding.sha256 for finding in findings if finding.sha256})
    fresh: list[dict[str, Any]] = []
    stale: list[dict[str, Any]] = []
    slots: list[int | None] = []  # of each finding: its file's id, or -1 - its index in `fresh`
    for finding, owner in zip(findings, owners, strict=True):
        if finding.kind == "archive" and finding.code is None:
            slots.append(None)
            continue
        file = known.get(finding.sha256 or "")
        if file is None:
            slots.append(-1 - len(fresh))
            fresh.append(_columns(finding) | {"title": finding.title, "composer_id": owner})
            if finding.sha256:
                known[finding.sha256] = _Known(slots[-1] or 0, finding.checks, "", owner)
            continue
        slots.append(file.id)
        if file.id > 0 and (file.checks < finding.checks or file.status == "missing"):
            stale.append({"id": file.id} | _columns(finding))
        if file.id > 0 and file.composer_id is None and owner is not None:
            stale.append({"id": file.id, "composer_id": owner})
    made = _insert_files(session, fresh)
    for row in stale:
        session.execute(update(File).where(File.id == row.pop("id")).values(row))
    return [made[-1 - slot] if slot is not None and slot < 0 else slot for slot in slots]


def _insert_files(session: Session, rows: list[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    everything = dict.fromkeys(key for row in rows for key in row)
    query = insert(File).returning(File.id, sort_by_parameter_order=True)
    return list(session.scalars(query, [everything | row for row in rows]))


def record_places(session: Session, findings: Sequence[Finding], ids: Sequence[int | None]) -> None:
    known: set[tuple[str, str]] = set()
    for chunk in _chunks(sorted({finding.path for finding in findings})):
        query = select(Place.path, Place.member).where(Place.path.in_(chunk))
        known |= {(path, member) for path, member in session.execute(query)}
    rows = {
        (finding.path, finding.member): {
            "path": finding.path,
            "member": finding.member,
            "size": finding.size,
            "mtime_ns": finding.mtime_ns,
            "checks": finding.checks,
            "file_id": file_id,
        }
        for finding, file_id in zip(findings, ids, strict=True)
    }
    if new := [row for key, row in rows.items() if key not in known]:
        session.execute(insert(Place), new)
    if old := [row for key, row in rows.items() if key in known]:
        session.execute(update(Place), old)


class _Known(NamedTuple):
    id: int
    checks: int
    status: str
    composer_id: int | None


def _by_sha(session: Session, hashes: set[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for chunk in _chunks(sorted(hashes)):
        query = select(File.sha256, File.id, File.checks, File.status, File.composer_id)
        for sha256, *rest in session.execute(query.where(File.sha256.in_(chunk))):
            found[str(sha256)] = _Known._make(rest)
    return found


def _chunks(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _columns(finding: Finding) -> dict[str, Any]:
    return {
        "sha256": finding.sha256,
        "kind": finding.kind,
        "size": finding.length,
        "checks": finding.checks,
        "status": "accepted" if finding.code is None else "rejected",
        "code": finding.code,
        "detail": finding.detail,
        "repair": finding.repair,
        "sketch": finding.sketch,
        **finding.facts,
    }


def drop_placeless(session: Session) -> None:
    """Content that lies nowhere: unknown bytes are dropped, known ones become `missing`."""
    nowhere = ~exists().where(Place.file_id == File.id)
    session.execute(delete(File).where(File.sha256.is_(None), nowhere))
    session.execute(
        update(File).where(nowhere).values(status="missing"),
        execution_options={"synchronize_session": False},
    )
