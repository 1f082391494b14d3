"""The music in the catalog: files, clusters and splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from musictk.catalog.by_index import by_index
from musictk.catalog.chunks import chunks
from musictk.catalog.database import Database
from musictk.catalog.indices import MOVED, UNGROUPED
from musictk.catalog.models import File, Location, SpanRow
from musictk.catalog.piece_rows import read_pieces
from musictk.catalog.records import (
    SPLITS,
    ExaminedFile,
    FileSketch,
    Key,
    OfficialSplits,
    PieceInfo,
)
from musictk.catalog.splits import (
    ClusterMember,
    Fractions,
    assign_splits,
    fill_empty_splits,
    strictest_split,
    wanted_splits,
)
from musictk.catalog.successors import inherit, record_successors
from musictk.catalog.upsert import ComposerIds, drop_orphaned, record_files, record_locations
from musictk.garbage import paused

DEFAULT_FRACTIONS = Fractions()  # the default
_grouped = (File.status == "accepted") & File.cluster.is_not(None)


class Pieces(Database):
    """Files and their splits: written by `ingest`, read by training."""

    def record(
        self, files: Sequence[ExaminedFile], fractions: Fractions = DEFAULT_FRACTIONS
    ) -> list[Key]:
        """Record examined files in one durable transaction.

        New accepted files are compared with known ones and get their cluster and split in the same
        transaction. A further location of known content gives its row a composer and an official
        split if it has none. Returns the new locations of files that keep another composer than
        the one given there.
        """
        from musictk.catalog.grouping import group  # numpy: not needed for reading

        with self.writing() as session:
            names = ComposerIds(session)
            owners = [names.id(found.composer) for found in files]
            recorded = record_files(session, files, owners)
            places = record_locations(session, files, recorded.ids)
            drop_orphaned(session, {one.file_id: one.last for one in places.replaced})
            successors = {
                (one.file_id, one.by_id, one.by.is_listed)
                for one in places.replaced
                if one.by_id in recorded.fresh
            }
            record_successors(session, successors)
            group(session, recorded.joining, fractions)
            return [key for key in recorded.kept if key in places.new]

    def inherit(self) -> None:
        """Give files that were edited since the last ingest what the user had set for them."""
        with self.writing() as session:
            inherit(session)

    def set_composers(self, composers: Mapping[Key, str]) -> int:
        """Set the composers of the files at these locations, (path, member).

        Returns how many files had another one, or none.
        """
        with self.writing() as session:
            names, by_owner = ComposerIds(session), defaultdict(list)
            for file_id, name in _files_at(session, composers).items():
                by_owner[names.id(name)].append(file_id)
            changed = 0
            for owner, ids in by_owner.items():
                change = update(File).where(File.composer_id.is_distinct_from(owner))
                change = change.values(composer_id=owner, joined_from=None)
                for chunk in chunks(ids):
                    done = session.connection().execute(change.where(File.id.in_(chunk)))
                    changed += done.rowcount
            return changed

    def set_official_splits(self, splits: Mapping[Key, str]) -> None:
        """Set the official splits of the files at these locations, (path, member).

        `complete_splits` applies them.
        """
        with self.writing() as session:
            rows = [
                {"id": file_id, "official_split": split}
                for file_id, split in _files_at(session, splits).items()
            ]
            if rows:
                session.execute(update(File), rows)

    def pieces(
        self, split: str | None = None, reads: Collection[str] = frozenset({"midi"})
    ) -> list[PieceInfo]:
        """Accepted files of the given kinds, of all splits or of one, ordered by id."""
        with self.reading() as session, paused():
            return read_pieces(session, split, reads)

    def sketches(self, status: str = "accepted") -> list[FileSketch]:
        """The sketch of every file that is accepted, or missing, ordered by content hash."""
        columns = (File.id, File.sha256, File.kind, File.sketch, File.split)
        query = select(*columns).where(File.status == status).order_by(File.sha256)
        with self.reading() as session:
            return [
                FileSketch(id, sha256 or "", kind, data or b"", split)
                for id, sha256, kind, data, split in session.execute(query)
            ]

    def complete_splits(self, fractions: Fractions) -> dict[str, int]:
        """Group accepted files without a split, give clusters the official splits of their files,
        and move clusters to empty wanted splits.

        Returns how many files each of these got from another official split.
        """
        with self.writing() as session:
            strays = by_index(session, "id", "ungrouped", UNGROUPED)
            if strays:
                from musictk.catalog.grouping import group, newcomers

                group(session, newcomers(session, strays), fractions)
            apply_official_splits(session)
            return fill_splits(session, fractions)

    def split(self, fractions: Fractions) -> dict[str, int]:
        """Group all files and assign all splits from scratch; return the files per split.

        Official splits are replaced too, and forgotten.
        """
        from musictk.catalog.grouping import group_all

        with self.writing() as session:
            session.execute(update(File).values(official_split=None))
            group_all(session, fractions)
            files = session.execute(select(File.id, File.cluster).where(_grouped)).all()
            assigned = assign_splits(
                [ClusterMember(cluster or "", None) for _, cluster in files], fractions
            )
            rows = [{"id": id, "split": assigned[cluster or ""]} for id, cluster in files]
            if rows:
                session.execute(update(File), rows)
            return dict(Counter(str(row["split"]) for row in rows))

    def official_splits(self) -> OfficialSplits:
        """How many files have an official split, and how many of them are in another one."""
        official = (File.status == "accepted") & File.official_split.is_not(None)
        query = select(File.official_split, func.count()).where(official)
        with self.reading() as session:
            counts = dict(session.execute(query.group_by(File.official_split)).all())
        files = {split: counts[split] for split in SPLITS if counts.get(split)}
        return OfficialSplits(files, self.moved_files())

    def moved_files(self) -> int:
        """How many accepted files are in another split than their official one."""
        moved = f"{MOVED} AND status = 'accepted'"
        with self.reading() as session:
            return int(by_index(session, "count(*)", "moved", moved)[0])


def _files_at(session: Session, values: Mapping[Key, str]) -> dict[int, str]:
    """The value of each file, of those by its locations."""
    found: dict[int, str] = {}
    for chunk in chunks(sorted({path for path, _ in values})):
        query = select(Location.path, Location.member, Location.file_id)
        for path, member, file_id in session.execute(query.where(Location.path.in_(chunk))):
            if file_id is not None and (path, member) in values:
                found[file_id] = values[path, member]
    return found


def apply_official_splits(session: Session) -> None:
    """Give every cluster the official split of its files; the strictest one if they differ."""
    columns = (File.cluster, File.official_split, File.split)
    accepted = f"{MOVED} AND status = 'accepted' AND cluster IS NOT NULL"
    moved = by_index(session, "DISTINCT cluster", "moved", accepted)
    rows: list[Any] = []
    for chunk in chunks(sorted(map(str, moved))):  # elsewhere all files are where they should be
        own = _grouped & File.cluster.in_(chunk) & File.official_split.in_(SPLITS)
        rows += session.execute(select(*columns).where(own).distinct())
    given: dict[str, set[str]] = defaultdict(set)
    current: dict[str, str | None] = {}
    for cluster, official, split in rows:
        given[str(cluster)].add(str(official))
        current[str(cluster)] = split
    for cluster, splits in given.items():
        split = strictest_split(splits)
        if split != current[cluster]:
            session.execute(update(File).where(File.cluster == cluster).values(split=split))


def fill_splits(session: Session, fractions: Fractions) -> dict[str, int]:
    """Move a cluster to each empty wanted split; clusters that were never encoded move first.

    Returns how many files each got from another official split.
    """

    def is_empty(split: str) -> bool:
        query = select(File.id).where(File.status == "accepted", File.split == split).limit(1)
        return session.scalar(query) is None

    if not any(map(is_empty, wanted_splits(fractions))):
        return {}
    query = select(File.cluster, func.min(File.split)).where(_grouped).group_by(File.cluster)
    assigned = {str(cluster): str(split) for cluster, split in session.execute(query)}
    encoded = select(File.cluster).where(File.id.in_(select(SpanRow.file_id)))
    fresh = assigned.keys() - set(map(str, session.scalars(encoded)))
    given = select(File.cluster).where(_grouped, File.official_split.is_not(None))
    official = set(map(str, session.scalars(given)))
    taken: dict[str, int] = {}
    for cluster, split in fill_empty_splits(assigned, fractions, fresh, official).items():
        if split != assigned[cluster]:  # no longer its official one
            own = File.cluster == cluster
            if cluster in official:
                taken[split] = session.scalar(select(func.count()).where(own)) or 0
            session.execute(update(File).where(own).values(split=split, official_split=None))
    return taken
