"""The music in the catalog: places, files, composers, clusters and splits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, selectinload, undefer

from musictk.catalog.database import Database
from musictk.catalog.models import Alias, Composer, File, Place
from musictk.catalog.names import fold
from musictk.catalog.records import Finding, PieceInfo, Seen, Sketch
from musictk.catalog.splits import Fractions, Member, deal
from musictk.errors import UnknownNameError

_CHUNK = 500  # values in one IN (...)


class Music(Database):
    """What `ingest` writes and `training` reads."""

    def seen(self) -> dict[tuple[str, str], Seen]:
        """Every known place, by (path, member)."""
        columns = (Place.path, Place.member, Place.size, Place.mtime_ns, Place.file_id)
        query = select(*columns, File.code, File.checks).outerjoin(File)
        with self.reading() as session:
            return {
                (path, member): Seen(size, mtime_ns, file_id, code, checks or 0)
                for path, member, size, mtime_ns, file_id, code, checks in session.execute(query)
            }

    def record(self, findings: Sequence[Finding]) -> None:
        """Keep what was found, all of it or nothing. Once this returns it survives a crash."""
        with self.writing() as session:
            files = _by_sha(session, {finding.sha256 for finding in findings if finding.sha256})
            places = _by_path(session, {finding.path for finding in findings})
            names = _Names(session)
            for finding in findings:
                _record(session, finding, files, places, names)
            session.flush()
            _drop_placeless(session)

    def forget(self, places: Iterable[tuple[str, str]]) -> None:
        """Places that hold nothing any more; a file without a place becomes `missing`."""
        with self.writing() as session:
            for path, member in places:
                session.execute(delete(Place).where(Place.path == path, Place.member == member))
            _drop_placeless(session)

    def pieces(
        self, split: str | None = None, reads: Collection[str] = frozenset({"midi"})
    ) -> list[PieceInfo]:
        """Accepted files of the given kinds (and split), by id."""
        query = (
            select(File)
            .where(File.status == "accepted", File.kind.in_(sorted(reads)))
            .options(
                selectinload(File.places), selectinload(File.labels), selectinload(File.composer)
            )
            .order_by(File.id)
        )
        if split is not None:
            query = query.where(File.split == split)
        with self.reading() as session:
            return [_piece(file) for file in session.scalars(query)]

    def sketches(self) -> list[Sketch]:
        """The musical fingerprint of every accepted file, by content hash."""
        query = (
            select(File).where(File.status == "accepted").options(undefer(File.sketch))
        ).order_by(File.sha256)
        with self.reading() as session:
            return [
                Sketch(file.id, file.sha256 or "", file.kind, file.sketch or b"")
                for file in session.scalars(query)
            ]

    def ungrouped(self) -> int:
        """How many accepted files have not been dealt to a split yet."""
        query = select(File.id).where(File.status == "accepted", File.split.is_(None))
        with self.reading() as session:
            return len(session.scalars(query).all())

    def group(self, clusters: Mapping[int, str], fractions: Fractions) -> None:
        """Keep each file's cluster and deal the clusters into splits, see `splits.deal`."""
        with self.writing() as session:
            files = session.scalars(select(File).where(File.id.in_(select(File.id)))).all()
            known = [file for file in files if file.status == "accepted" and file.id in clusters]
            members = [Member(clusters[file.id], file.split) for file in known]
            dealt = deal(members, fractions)
            for file in known:
                file.cluster = clusters[file.id]
                file.split = dealt[clusters[file.id]]

    def split(self, fractions: Fractions) -> dict[str, int]:
        """Deal every cluster anew, whatever was dealt before; returns files per split."""
        with self.writing() as session:
            files = session.scalars(select(File).where(File.cluster.is_not(None))).all()
            dealt = deal([Member(file.cluster or "", None) for file in files], fractions)
            counts: dict[str, int] = {}
            for file in files:
                file.split = dealt[file.cluster or ""]
                counts[file.split] = counts.get(file.split, 0) + 1
            return counts

    def composer(self, name: str) -> Composer:
        """The composer known under `name`; raises UnknownNameError with the nearest name."""
        with self.reading() as session:
            return find_composer(session, name)

    def alias(self, composer: str, alias: str) -> None:
        """Let `alias` mean `composer` too. A composer of that name is merged into it."""
        with self.writing() as session:
            target = find_composer(session, composer)
            taken = session.get(Alias, fold(alias))
            if taken is None:
                session.add(Alias(key=fold(alias), spelling=alias, composer_id=target.id))
            elif taken.composer_id != target.id:
                _merge(session, taken.composer_id, target.id)


def find_composer(session: Session, name: str) -> Composer:
    """The composer known under `name`; raises UnknownNameError with the nearest name."""
    found = session.get(Alias, fold(name))
    if found is None:
        raise UnknownNameError("composer", name, session.scalars(select(Alias.spelling)))
    return session.get_one(Composer, found.composer_id)


def named_composer(session: Session, name: str) -> Composer:
    """The composer known under `name`, made where there is none."""
    return session.get_one(Composer, _Names(session).id(name))


class _Names:
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


def _merge(session: Session, source: int, target: int) -> None:
    session.execute(update(Alias).where(Alias.composer_id == source).values(composer_id=target))
    session.execute(update(File).where(File.composer_id == source).values(composer_id=target))
    session.execute(delete(Composer).where(Composer.id == source))


def _by_sha(session: Session, hashes: set[str]) -> dict[str, File]:
    found: dict[str, File] = {}
    for chunk in _chunks(sorted(hashes)):
        for file in session.scalars(select(File).where(File.sha256.in_(chunk))):
            found[file.sha256 or ""] = file
    return found


def _by_path(session: Session, paths: set[str]) -> dict[tuple[str, str], Place]:
    found: dict[tuple[str, str], Place] = {}
    for chunk in _chunks(sorted(paths)):
        for place in session.scalars(select(Place).where(Place.path.in_(chunk))):
            found[place.path, place.member] = place
    return found


def _chunks(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _record(
    session: Session,
    finding: Finding,
    files: dict[str, File],
    places: dict[tuple[str, str], Place],
    names: _Names,
) -> None:
    place = places.get((finding.path, finding.member))
    if place is None:
        place = Place(path=finding.path, member=finding.member)
        session.add(place)
        places[finding.path, finding.member] = place
    place.size, place.mtime_ns = finding.size, finding.mtime_ns
    if finding.kind == "archive" and finding.code is None:
        return
    composer_id = names.id(finding.composer)
    file = files.get(finding.sha256 or "")
    if file is None:
        file = File(sha256=finding.sha256, title=finding.title)
        _fill(file, finding)
        session.add(file)
        if finding.sha256:
            files[finding.sha256] = file
    elif file.checks < finding.checks or file.status == "missing":
        _fill(file, finding)  # else the same content was examined before: only its place is new
    if file.composer_id is None:
        file.composer_id = composer_id
    place.file = file


def _fill(file: File, finding: Finding) -> None:
    file.kind, file.size, file.checks = finding.kind, finding.length, finding.checks
    file.status = "accepted" if finding.code is None else "rejected"
    file.code, file.detail, file.repair = finding.code, finding.detail, finding.repair
    file.sketch = finding.sketch
    for column, value in finding.facts.items():
        setattr(file, column, value)


def _drop_placeless(session: Session) -> None:
    """Content that lies nowhere: unknown bytes are dropped, known ones become `missing`."""
    nowhere = ~exists().where(Place.file_id == File.id)
    session.execute(delete(File).where(File.sha256.is_(None), nowhere))
    session.execute(
        update(File).where(nowhere).values(status="missing"),
        execution_options={"synchronize_session": False},
    )


def _piece(file: File) -> PieceInfo:
    place = file.places[0]
    labels: dict[str, Any] = {label.category: label.value for label in file.labels}
    return PieceInfo(
        id=file.id,
        path=place.path,
        member=place.member or None,
        kind=file.kind,
        sha256=file.sha256 or "",
        split=file.split,
        composer=file.composer.name if file.composer else None,
        labels=labels,
        seconds=file.seconds or 0.0,
        notes=file.notes or 0,
    )
