"""Queries of the command line; all of them return JSON-able values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, selectinload

from musictk.catalog.database import Database
from musictk.catalog.models import (
    Alias,
    Composer,
    File,
    Label,
    Location,
    Run,
    Sample,
    ShardRow,
    when,
)
from musictk.catalog.names import store_path
from musictk.catalog.pieces import find_composer
from musictk.catalog.records import FILE_STATUSES, SPLITS
from musictk.catalog.typed_paths import stored_paths
from musictk.errors import UnknownNameError, UsageError

_MAX_LIMIT = 2**31 - 1  # rows
_EAGER = (selectinload(File.composer), selectinload(File.locations), selectinload(File.labels))


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
                "similar_composers": _similar(list(session.scalars(select(Composer.name)))),
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
                category, value = label
                _known_category(session, category)
                conditions.append(
                    File.labels.any(and_(Label.category == category, Label.value == value))
                )
            return _described(session, select(File).where(*conditions), limit)

    def composers(self) -> list[dict[str, Any]]:
        """All composers with spellings and amounts of music, the largest first."""
        query = (
            select(
                Composer,
                func.count(File.id),
                func.sum(File.notes),
                func.sum(File.seconds),
            )
            .outerjoin(File, and_(File.composer_id == Composer.id, File.status == "accepted"))
            .group_by(Composer.id)
            .options(selectinload(Composer.aliases))
        )
        with self.reading() as session:
            rows = [
                {
                    "id": composer.id,
                    "name": composer.name,
                    "aliases": sorted(
                        alias.spelling
                        for alias in composer.aliases
                        if alias.spelling != composer.name
                    ),
                    "files": files,
                    "notes": int(notes or 0),
                    "hours": round((seconds or 0.0) / 3600, 3),
                }
                for composer, files, notes, seconds in session.execute(query)
            ]
        return sorted(rows, key=lambda row: (-row["files"], row["name"]))

    def search(self, text: str, limit: int | None = 100) -> list[dict[str, Any]]:
        """Files whose title, path, composer, key or labels contain every word of `text`."""
        conditions = [or_(*map(_mentions, spellings(word))) for word in text.split()]
        with self.reading() as session:
            return _described(session, select(File).where(*conditions), limit)

    def show(self, key: str) -> dict[str, Any]:
        """All facts about one file, by id, path, title or prefix of its SHA-256.

        Raises UnknownNameError where no file matches, UsageError where several do.
        """
        with self.reading() as session:
            found = select_files(session, key)
            if not found:
                raise UnknownNameError("file", key, session.scalars(select(File.title).limit(9999)))
            if len(found) > 1:
                raise UsageError(
                    f"{key!r} matches {len(found)} files", "give an id, or more of the path or hash"
                )
            file = found[0]
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


def spellings(text: str) -> list[str]:
    """`text` as given and as the catalog stores paths, see `names.store_path`.

    Only stored paths may come from text that is not valid Unicode.
    """
    both = dict.fromkeys((text, store_path(text)))
    return [
        each for each in both if each.isascii() or each == each.encode("utf-8", "ignore").decode()
    ]


def select_files(session: Session, key: str) -> list[File]:
    """The files that match an id, a path, a title or a prefix of a SHA-256 (8 digits or more)."""
    tries: list[ColumnElement[bool]] = []
    if key.isdecimal() and len(key) < 10:
        tries.append(File.id == int(key))
    names = spellings(key)
    tries.append(File.locations.any(or_(Location.path.in_(names), Location.member.in_(names))))
    tries.append(File.locations.any(Location.path.in_(stored_paths(session, key))))
    if len(key) >= 8 and all(char in "0123456789abcdef" for char in key.lower()):
        tries.append(File.sha256.startswith(key.lower()))
    ends = [Location.path.endswith("/" + name, autoescape=True) for name in names]
    tries.append(File.locations.any(or_(*ends)))
    tries.append(File.title.in_(names))
    for condition in tries:
        found = session.scalars(select(File).where(condition).options(*_EAGER)).all()
        if found:
            return list(found)
    return []


def _described(session: Session, query: Any, limit: int | None) -> list[Any]:
    if limit is not None and not 0 <= limit <= _MAX_LIMIT:
        raise UsageError(f"{limit} is not a valid limit", f"give one from 0 to {_MAX_LIMIT:,}")
    first = select(func.min(Location.path)).where(Location.file_id == File.id).scalar_subquery()
    ordered = query.options(*_EAGER).order_by(first, File.id).limit(limit)
    return [file_to_dict(file) for file in session.scalars(ordered)]


def _mentions(word: str) -> ColumnElement[bool]:
    def within(column: Any) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column.icontains(word, autoescape=True)
        return found

    return or_(
        within(File.title),
        within(File.key),
        File.locations.any(or_(within(Location.path), within(Location.member))),
        File.labels.any(within(Label.value)),
        File.composer_id.in_(select(Alias.composer_id).where(within(Alias.spelling))),
    )


def _known(kind: str, name: str | None, names: Sequence[str]) -> None:
    if name is not None and name not in names:
        raise UnknownNameError(kind, name, names)


def _known_category(session: Session, category: str) -> None:
    known = set(session.scalars(select(Label.category).distinct()))
    if category not in known:
        raise UnknownNameError("label", category, known)


def _grouped(column: Any) -> Select[Any]:
    return select(column, func.count()).where(File.status == "accepted").group_by(column)


def _counts(session: Session, query: Any) -> dict[str, int]:
    found = {str(key): count for key, count in session.execute(query)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _where(place: Location) -> dict[str, str | None]:
    return {"path": place.path, "member": place.member or None}


def _similar(names: Sequence[str]) -> list[list[str]]:
    """Pairs of names so similar that one may be a misspelling; never merged automatically."""
    from rapidfuzz import fuzz, process  # imported only for the summary

    if len(names) < 2:
        return []
    folded = [name.casefold() for name in names]
    scores = process.cdist(folded, folded, scorer=fuzz.ratio, score_cutoff=86)
    return [
        sorted((names[row], names[column]))
        for row in range(len(names))
        for column in range(row)
        if scores[row][column]
    ]
