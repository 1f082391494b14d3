"""Lists of files in the order of their paths, a page at a time, and everything about one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from musictk.catalog import search_index
from musictk.catalog.chunks import chunks
from musictk.catalog.composers import find_composer
from musictk.catalog.database import Database
from musictk.catalog.distinct import distinct_values
from musictk.catalog.models import File, Label, Location, when
from musictk.catalog.records import FILE_STATUSES, SPLITS
from musictk.catalog.selection import EAGER, mentions, searched_words, select_one
from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import same_spelling

_MAX_LIMIT = 2**31 - 1  # rows
_FEW = 5_000  # labelled files that are sorted; of more, the first by path are looked for
_WALKED = 10_000  # files that are looked at in the order of their paths


class Listing(Database):
    """Find and list files."""

    def files(
        self,
        composer: str | None = None,
        split: str | None = None,
        status: str | None = None,
        label: tuple[str, str] | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[dict[str, Any]]:
        """Files that match every given condition, by path. Raises UnknownNameError.

        With `limit` the first ones; the next ones with `after`, the id of the last.
        """
        _known("split", split, SPLITS)
        _known("status", status, FILE_STATUSES)
        _check_limit(limit)
        with self.reading() as session:
            conditions = []
            if composer is not None:
                conditions.append(File.composer_id == find_composer(session, composer).id)
            if split is not None:
                conditions.append(File.split == split)
            if status is not None:
                conditions.append(File.status == status)
            if after is not None:
                conditions.append(_after(session, after))
            query = select(File.id).order_by(_first_path(session), File.id).limit(limit)
            if label is None:
                ids = session.scalars(query.where(*conditions)).all()
            else:
                wanted = _labelled(session, *label)
                ids = _labelled_page(session, query, conditions, wanted, limit)
            return list(_described(session, ids))

    def search(self, text: str, limit: int | None = 100) -> list[dict[str, Any]]:
        """Files whose title, path, composer, key or labels contain every word of `text`, by path.

        Case, accents and `_` do not count: `dvorak` finds `Dvořák`, and the other way round. A text
        in double quotes is one word. Raises UsageError where `text` has no words.
        """
        _check_limit(limit)
        with self.reading() as session:
            words = searched_words(text)
            connection = session.connection()
            if words and search_index.is_current(connection):
                return list(_described(session, search_index.find(connection, words, limit)))
            query = select(File.id).where(*mentions(session, words))
            query = query.order_by(_first_path(session), File.id).limit(limit)
            return list(_described(session, session.scalars(query).all()))

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
        with self.reading() as session:
            first = _first_path(session)
            here = (Location.file_id == File.id) & (Location.path == first)
            member = select(func.min(Location.member)).where(here).scalar_subquery()
            columns = (File.id, first, member, File.code, File.detail, File.sha256)
            query = select(*columns).where(File.status == "rejected").order_by(first, File.id)
            if code is not None:
                known = distinct_values(session, File.code)
                if code not in known:
                    raise UnknownNameError("reject code", code, map(str, known))
                query = query.where(File.code == code)
            return [
                {
                    "id": id,
                    "path": path,
                    "member": member or None,
                    "code": code,
                    "detail": detail,
                    "sha256": sha256,
                }
                for id, path, member, code, detail, sha256 in session.execute(query)
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


def _described(session: Session, ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The files with these ids, in this order."""
    for chunk in chunks(ids):
        query = select(File).where(File.id.in_(chunk)).options(*EAGER)
        files = {file.id: file for file in session.scalars(query)}
        yield from (file_to_dict(files[id]) for id in chunk)
        session.expunge_all()


def _check_limit(limit: int | None) -> None:
    if limit is not None and not 0 <= limit <= _MAX_LIMIT:
        raise UsageError(f"{limit} is not a valid limit", f"give one from 0 to {_MAX_LIMIT:,}")


def _first_path(session: Session) -> ColumnElement[str | None]:
    """The path by which files are listed. Only SQLite has the triggers that keep it in a column."""
    if session.get_bind().dialect.name == "sqlite":
        return File.path.expression
    return select(func.min(Location.path)).where(Location.file_id == File.id).scalar_subquery()


def _after(session: Session, last: int) -> ColumnElement[bool]:
    """The condition that a file comes after the one with this id."""
    first = _first_path(session)
    found = session.execute(select(File.id, first).where(File.id == last)).first()
    if found is None:
        raise UsageError(f"no file has the id {last}", "give the id of the last file of the page")
    if found[1] is None:  # files without a location come first
        return or_(first.is_not(None), File.id > last)
    return and_(first >= found[1], or_(first > found[1], File.id > last))


def _labelled(session: Session, category: str, value: str) -> Select[int]:
    """The ids of the files with this label."""
    category, values = _known_label(session, category, value)
    wanted = (Label.category == category) & Label.value.in_(values)
    return select(Label.file_id).where(wanted)


def _labelled_page(
    session: Session,
    query: Select[int],
    conditions: Sequence[ColumnElement[bool]],
    wanted: Select[int],
    limit: int | None,
) -> Sequence[int]:
    """The files of `query` with these conditions and a wanted label.

    If many files have the label, the first page is looked for among the first files by path.
    """
    if limit is not None and len(session.scalars(wanted.limit(_FEW)).all()) == _FEW:
        first = _first_path(session)
        last = select(first).where(*conditions).order_by(first, File.id).offset(_WALKED).limit(1)
        labelled = wanted.where(Label.file_id == File.id).exists()
        near = query.where(*conditions, labelled, first < last.scalar_subquery())
        if len(found := session.scalars(near).all()) == limit:
            return found
    return session.scalars(query.where(*conditions, File.id.in_(wanted))).all()


def _known(kind: str, name: str | None, names: Sequence[str]) -> None:
    if name is not None and name not in names:
        raise UnknownNameError(kind, name, names)


def _known_label(session: Session, category: str, value: str) -> tuple[str, list[str]]:
    """The category, and the values that are spellings of `value`; raises UnknownNameError."""
    categories = distinct_values(session, Label.category)
    if category not in categories:
        raise UnknownNameError("label", category, categories)
    known = distinct_values(session, Label.value, Label.category == category)
    found = same_spelling(value, known)
    if not found:
        raise UnknownNameError(category, value, known)
    return category, found


def _where(place: Location) -> dict[str, str | None]:
    return {"path": place.path, "member": place.member or None}
