"""The music in the catalog: places, files, composers, clusters and splits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, selectinload, undefer

from musictk.catalog.database import Database
from musictk.catalog.models import Alias, Composer, File, Place
from musictk.catalog.names import fold
from musictk.catalog.record import Names, drop_placeless, record_files, record_places
from musictk.catalog.records import Finding, PieceInfo, Seen, Sketch
from musictk.catalog.splits import Fractions, Member, deal
from musictk.errors import UnknownNameError


class Music(Database):
    """What `ingest` writes and `training` reads."""

    def seen(self) -> dict[tuple[str, str], Seen]:
        """Every known place, by (path, member)."""
        columns = (Place.path, Place.member, Place.size, Place.mtime_ns, Place.checks)
        query = select(*columns, File.code).outerjoin(File)
        with self.reading() as session:
            return {
                (path, member): Seen(size, mtime_ns, checks, code)
                for path, member, size, mtime_ns, checks, code in session.execute(query)
            }

    def record(self, findings: Sequence[Finding]) -> None:
        """Keep what was found, all of it or nothing. Once this returns it survives a crash.

        Content that was examined before is not changed by another place that holds it.
        """
        with self.writing() as session:
            names = Names(session)
            owners = [names.id(finding.composer) for finding in findings]
            ids = record_files(session, findings, owners)
            record_places(session, findings, ids)
            drop_placeless(session)

    def forget(self, places: Iterable[tuple[str, str]]) -> None:
        """Places that hold nothing any more; a file without a place becomes `missing`."""
        with self.writing() as session:
            for path, member in places:
                session.execute(delete(Place).where(Place.path == path, Place.member == member))
            drop_placeless(session)

    def attribute(self, composers: Mapping[tuple[str, str], str]) -> None:
        """Say whose the files at these places, (path, member), are, whatever was said before."""
        with self.writing() as session:
            names = Names(session)
            for (path, member), name in composers.items():
                place = session.get(Place, (path, member))
                if place is not None and place.file_id is not None:
                    owner = names.id(name)
                    session.execute(
                        update(File).where(File.id == place.file_id).values(composer_id=owner)
                    )

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
            query = select(File.id, File.split).where(File.status == "accepted")
            known = {id: split for id, split in session.execute(query) if id in clusters}
            dealt = deal([Member(clusters[id], split) for id, split in known.items()], fractions)
            rows = [
                {"id": id, "cluster": clusters[id], "split": dealt[clusters[id]]} for id in known
            ]
            if rows:
                session.execute(update(File), rows)

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
    return session.get_one(Composer, Names(session).id(name))


def _merge(session: Session, source: int, target: int) -> None:
    session.execute(update(Alias).where(Alias.composer_id == source).values(composer_id=target))
    session.execute(update(File).where(File.composer_id == source).values(composer_id=target))
    session.execute(delete(Composer).where(Composer.id == source))


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
        cluster=file.cluster,
    )
