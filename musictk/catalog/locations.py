"""Where the files of the catalog are: looked up by path and folder, moved, and forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from sqlalchemy import ColumnElement, delete, select, true, update
from sqlalchemy.orm import Session

from musictk.catalog.by_index import by_index
from musictk.catalog.chunks import chunks
from musictk.catalog.database import Database
from musictk.catalog.indices import LEFT
from musictk.catalog.models import File, Location
from musictk.catalog.names import name_key
from musictk.catalog.records import Key, KnownLocation
from musictk.catalog.typed_paths import typed_place
from musictk.catalog.upsert import drop_orphaned


class Locations(Database):
    """The places of files."""

    def known_locations(
        self, under: Iterable[str] = ("",), at: Collection[str] = ()
    ) -> dict[Key, KnownLocation]:
        """The known locations in these folders and at these paths, by (path, member).

        By default all of them: "" is every folder.
        """
        columns = (Location.size, Location.mtime_ns, Location.checks, File.code, Location.file_id)
        found: dict[Key, KnownLocation] = {}
        with self.reading() as session:
            for condition in _places(under, at):
                query = select(Location.path, Location.member, *columns).outerjoin(File)
                for row in session.execute(query.where(condition)):
                    path, member, size, mtime_ns, checks, code, file_id = row
                    found[path, member] = KnownLocation(size, mtime_ns, checks, code, file_id)
        return found

    def locations_of(self, files: Collection[int]) -> list[Key]:
        """Every location of these files, as (path, member)."""
        found: list[Key] = []
        with self.reading() as session:
            for chunk in chunks(sorted(files)):
                query = select(Location.path, Location.member).where(Location.file_id.in_(chunk))
                found += [(path, member) for path, member in session.execute(query)]
        return found

    def forget(self, places: Iterable[Key]) -> None:
        """Delete locations, as (path, member); a file without a location becomes `missing`.

        A missing file loses its cluster and split: it is grouped again when it returns, because
        near-duplicates may have been added in the meantime.
        """
        with self.writing() as session:
            left: dict[int, str] = {}
            for path, member in places:
                found = session.get(Location, (path, member))
                if found is None:
                    continue
                if found.file_id is not None:
                    left[found.file_id] = typed_place(path, member)
                session.delete(found)
            session.flush()
            drop_orphaned(session, left)
            missing = by_index(session, "id", "left", LEFT)
            if missing:
                from musictk.catalog.grouping import ungroup

                ungroup(session, missing)

    def move_locations(self, moves: Mapping[str, str]) -> None:
        """Give locations new paths, by their old ones. One that is known already is replaced."""
        with self.writing() as session:
            replaced: dict[int, str] = {}
            for old, new in moves.items():
                replaced |= _replaced(session, old, new)
                moved = update(Location).where(Location.path == old)
                session.execute(moved.values(path=new, name=name_key(new)))
            drop_orphaned(session, replaced)


def _replaced(session: Session, old: str, new: str) -> dict[int, str]:
    """Delete the locations at `old` that are known at `new` too; return their files and places."""
    known = select(Location.member).where(Location.path == new)
    again = (Location.path == old) & Location.member.in_(session.scalars(known).all())
    rows = session.execute(select(Location.file_id, Location.member).where(again)).all()
    session.execute(delete(Location).where(again))
    return {file_id: typed_place(old, member) for file_id, member in rows if file_id is not None}


def _places(under: Iterable[str], at: Collection[str]) -> Iterator[ColumnElement[bool]]:
    """One condition per folder and chunk of paths: each is a range of the primary key."""
    for folder in under:
        start = folder.rstrip("/") + "/"  # "0" is the character after "/"
        below = (Location.path >= start) & (Location.path < start[:-1] + "0")
        yield below if folder else true()
    for chunk in chunks(sorted(at)):
        yield Location.path.in_(chunk)
