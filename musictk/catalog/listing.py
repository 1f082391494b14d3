"""Lists of files in the order of their paths, a page at a time, and everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from musictk.catalog import search_index
from musictk.catalog.composers import find_composer
from musictk.catalog.database import Database
from musictk.catalog.describing import describe
from musictk.catalog.distinct import distinct_values
from musictk.catalog.models import File, Label, Location, when
from musictk.catalog.records import FILE_STATUSES, SPLITS
from musictk.catalog.selection import mentions, searched_words, select_one
from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import same_spelling

MAX_LIMIT = 2**31 - 1  # rows
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
            return [found.facts for found in describe(session, ids)]

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
                ids: Sequence[int] = search_index.find(connection, words, limit)
            else:
                query = select(File.id).where(*mentions(session, words))
                query = query.order_by(_first_path(session), File.id).limit(limit)
                ids = session.scalars(query).all()
            return [found.facts for found in describe(session, ids)]

    def show(self, key: str) -> dict[str, Any]:
        """All facts about one file, see `selection.select_files`.

        Raises UnknownNameError where no file matches, UsageError where several do.
        """
        with self.reading() as session:
            file = select_one(session, key)
            duplicates = session.scalars(
                select(File.title)
                .where(File.cluster == file.cluster, File.cluster.is_not(None), File.id != file.id)
                .order_by(File.title)
            )
            facts, places = next(describe(session, [file.id]))
            return facts | {
                "checks": file.checks,
                "added_at": when(file.added_at),
                "places": [{"path": path, "member": member or None} for path, member in places],
                "near_duplicates": list(duplicates),
            }

    def rejected(
        self, code: str | None = None, limit: int | None = None, after: int | None = None
    ) -> list[dict[str, Any]]:
        """Rejected files with reason code and detail, by path; with `code`, only those.

        `limit` and `after` give a page, as for `files`.
        """
        _check_limit(limit)
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
            if after is not None:
                query = query.where(_after(session, after))
            return [
                {
                    "id": id,
                    "path": path,
                    "member": member or None,
                    "code": code,
                    "detail": detail,
                    "sha256": sha256,
                }
                for id, path, member, code, detail, sha256 in session.execute(query.limit(limit))
            ]


def _check_limit(limit: int | None) -> None:
    if limit is not None and not 0 <= limit <= MAX_LIMIT:
        raise UsageError(f"{limit} is not a valid limit", f"give one from 0 to {MAX_LIMIT:,}")


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
