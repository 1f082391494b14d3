"""Queries of the command line; all of them return JSON-able values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from musictk.catalog.composers import find_composer, similar_pairs
from musictk.catalog.database import Database
from musictk.catalog.models import (
    File,
    Label,
    Location,
    Run,
    Sample,
    ShardRow,
    when,
)
from musictk.catalog.records import FILE_STATUSES, SPLITS
from musictk.catalog.selection import EAGER, mentions, select_one
from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import same_spelling

_MAX_LIMIT = 2**31 - 1  # rows


class Queries(Database):
    """Summaries, lists and searches of files and composers."""

    def summary(self) -> dict[str, Any]:
        """Counts by status, split, kind and reject reason; and similar composer names."""
        accepted = File.status == "accepted"
        with self.reading() as session:
            totals = session.execute(
                select(func.sum(File.notes), func.sum(File.seconds), func.sum(File.bars)).where(
                    accepted
                )
            ).one()
            return {
                "files": _counts(session, select(File.status, func.count()).group_by(File.status)),
                "kinds": _counts(session, _grouped(File.kind)),
                "splits": _counts(session, _grouped(File.split)),
                "clusters": session.scalar(
                    select(func.count(File.cluster.distinct())).where(accepted)
                ),
                "composers": session.scalar(
                    select(func.count(File.composer_id.distinct())).where(accepted)
                ),
                "notes": int(totals[0] or 0),
                "hours": round((totals[1] or 0.0) / 3600, 2),
                "bars": int(totals[2] or 0),
                "rejected": _counts(
                    session,
                    select(File.code, func.count())
                    .where(File.status == "rejected")
                    .group_by(File.code),
                ),
                "labels": list(session.scalars(select(Label.category).distinct())),
                "shards": session.scalar(select(func.count()).select_from(ShardRow)),
                "runs": session.scalar(select(func.count()).select_from(Run)),
                "samples": session.scalar(select(func.count()).select_from(Sample)),
                "similar_composers": [list(pair) for pair in similar_pairs(session)],
            }

    def files(
        self,
        composer: str | None = None,
        split: str | None = None,
        status: str | None = None,
        label: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Files that match every given condition, by path. Raises UnknownNameError."""
        _known("split", split, SPLITS)
        _known("status", status, FILE_STATUSES)
        with self.reading() as session:
            conditions = []
            if composer is not None:
                conditions.append(File.composer_id == find_composer(session, composer).id)
            if split is not None:
                conditions.append(File.split == split)
            if status is not None:
                conditions.append(File.status == status)
            if label is not None:
                category, values = _known_label(session, *label)
                conditions.append(
                    File.labels.any(and_(Label.category == category, Label.value.in_(values)))
                )
            return _described(session, select(File).where(*conditions), limit)

    def search(self, text: str, limit: int | None = 100) -> list[dict[str, Any]]:
        """Files whose title, path, composer, key or labels contain every word of `text`.

        Case, accents and `_` do not count: `dvorak` finds `Dvořák`, and the other way round.
        """
        with self.reading() as session:
            return _described(session, select(File).where(*mentions(session, text)), limit)

    def show(self, key: str) -> dict[str, Any]:
        """All facts about one file, see `selection.select_files`.

        Raises UnknownNameError where no file matches, UsageError where several do.
        """
        with self.reading() as session:
            file = select_one(session, key)
            duplicates = session.scalars(
                select(File.title)
                .where(File.cluster == file.cluster, File.id != file.id)
                .order_by(File.title)
            )
            return file_to_dict(file) | {
                "checks": file.checks,
                "added_at": when(file.added_at),
                "places": [_where(place) for place in file.locations],
                "near_duplicates": list(duplicates),
            }

    def rejected(self, code: str | None = None) -> list[dict[str, Any]]:
        """Rejected files with reason code and detail, by path; with `code`, only those."""
        query = select(File).where(File.status == "rejected")
        with self.reading() as session:
            if code is not None:
                known = set(
                    session.scalars(select(File.code).distinct().where(File.code.is_not(None)))
                )
                if code not in known:
                    raise UnknownNameError("reject code", code, map(str, known))
                query = query.where(File.code == code)
            return [
                {key: row[key] for key in ("id", "path", "member", "code", "detail", "sha256")}
                for row in _described(session, query, None)
            ]


def file_to_dict(file: File) -> dict[str, Any]:
    """A file as JSON-able values."""
    place = file.locations[0] if file.locations else None
    return {
        "id": file.id,
        "path": place.path if place else None,
        "member": (place.member or None) if place else None,
        "title": file.title,
        "composer": file.composer.name if file.composer else None,
        "kind": file.kind,
        "status": file.status,
        "code": file.code,
        "detail": file.detail,
        "repair": file.repair,
        "split": file.split,
        "cluster": file.cluster,
        "notes": file.notes,
        "tracks": file.tracks,
        "seconds": file.seconds,
        "bars": file.bars,
        "metre": file.metre,
        "tempo": file.tempo,
        "key": file.key,
        "ticks_per_quarter": file.ticks_per_quarter,
        "programs": file.programs,
        "has_pedal": file.has_pedal,
        "size": file.size,
        "sha256": file.sha256,
        "labels": {label.category: label.value for label in file.labels},
    }


def _described(session: Session, query: Any, limit: int | None) -> list[Any]:
    if limit is not None and not 0 <= limit <= _MAX_LIMIT:
        raise UsageError(f"{limit} is not a valid limit", f"give one from 0 to {_MAX_LIMIT:,}")
    first = select(func.min(Location.path)).where(Location.file_id == File.id).scalar_subquery()
    ordered = query.options(*EAGER).order_by(first, File.id).limit(limit)
    return [file_to_dict(file) for file in session.scalars(ordered)]


def _known(kind: str, name: str | None, names: Sequence[str]) -> None:
    if name is not None and name not in names:
        raise UnknownNameError(kind, name, names)


def _known_label(session: Session, category: str, value: str) -> tuple[str, list[str]]:
    """The category, and the values that are spellings of `value`; raises UnknownNameError."""
    categories = set(session.scalars(select(Label.category).distinct()))
    if category not in categories:
        raise UnknownNameError("label", category, categories)
    known = list(session.scalars(select(Label.value).where(Label.category == category).distinct()))
    found = same_spelling(value, known)
    if not found:
        raise UnknownNameError(category, value, known)
    return category, found


def _grouped(column: Any) -> Select[Any]:
    return select(column, func.count()).where(File.status == "accepted").group_by(column)


def _counts(session: Session, query: Any) -> dict[str, int]:
    found = {str(key): count for key, count in session.execute(query)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _where(place: Location) -> dict[str, str | None]:
    return {"path": place.path, "member": place.member or None}
