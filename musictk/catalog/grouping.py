"""Near-duplicates joined into clusters, and clusters dealt, inside the write that adds the files.

A new file is compared with the files that share two index_keys of its sketch (`musictk.sketches.keys`),
found through the index `postings`: what it costs does not grow with the catalog. Files are taken
one after the other, so that the result depends on their order alone, not on how many are written
at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from musictk.catalog.models import File, Posting
from musictk.catalog.records import FileToGroup
from musictk.catalog.splits import Fractions, majority_split, split_by_hash
from musictk.sketches import Sketch, are_near_duplicates, index_keys, is_whole_piece, parse_sketch

SHARED = 2  # index_keys in common that make a pair worth comparing
LISTED = 200  # pieces kept under one key: more than that is a commonplace
TWINS = 4  # of them, twins: what one of them holds finds the others too
RAREST = 8  # index_keys of a piece that are kept however common they are, so that a twin finds it
TRIES = 8  # members of one cluster that a piece is compared with, the likest first
COMPARED = 64  # pieces that one is compared with in all, the likest first
_CHUNK = 1000  # values in one IN (...)
_BATCH = 256  # files compared at a time where many are
_T = TypeVar("_T")


def group(session: Session, files: Sequence[FileToGroup], fractions: Fractions) -> None:
    """Give every file a cluster and a split, merging the clusters that it connects."""
    for start in range(0, len(files), _BATCH):
        _Grouping(session, files[start : start + _BATCH], fractions).run()


def ungroup(session: Session, ids: Sequence[int]) -> None:
    """Take files out of their clusters, splits and the index, their sketches as they still are."""
    left: set[str] = set()
    for chunk in _chunks(ids):
        rows = session.execute(select(File.cluster, File.id, File.sketch).where(File.id.in_(chunk)))
        for cluster, file_id, sketch in rows.all():
            left |= {cluster} if cluster else set()
            held = _keys(read_sketch(sketch))
            for some in _chunks(held):
                query = delete(Posting).where(Posting.key.in_(some), Posting.file_id == file_id)
                session.execute(query)
        session.execute(
            update(File).where(File.id.in_(chunk)).values(cluster=None, split=None),
            execution_options={"synchronize_session": False},
        )
    _repost(session, sorted(left))


def group_all(session: Session, fractions: Fractions) -> None:
    """Group every accepted file from its sketch, as if each were new, in the order of their ids."""
    session.execute(delete(Posting))
    session.execute(
        update(File)
        .where(File.cluster.is_not(None) | File.split.is_not(None))
        .values(cluster=None, split=None),
        execution_options={"synchronize_session": False},
    )
    ids = session.scalars(select(File.id).where(File.status == "accepted").order_by(File.id)).all()
    for start in range(0, len(ids), _BATCH):
        group(session, newcomers(session, ids[start : start + _BATCH]), fractions)


def newcomers(session: Session, ids: Sequence[int]) -> list[FileToGroup]:
    """Files of the catalog as `group` wants them, in the order of their ids."""
    columns = (File.id, File.sha256, File.kind, File.sketch, File.split)
    found = []
    for chunk in _chunks(sorted(ids)):
        query = select(*columns).where(File.id.in_(chunk)).order_by(File.id)
        for file_id, sha256, kind, sketch, split in session.execute(query):
            found.append(FileToGroup(file_id, str(sha256), kind, sketch, split))
    return found


def read_sketch(sketch: object) -> Sketch | None:
    """The numbers of a sketch; None where there is none, or its bytes are no sketch."""
    try:
        return parse_sketch(sketch) if isinstance(sketch, bytes) else None
    except ValueError:
        return None


class _Grouping:
    """One batch: what it is compared with is read first, then written once."""

    def __init__(
        self, session: Session, files: Sequence[FileToGroup], fractions: Fractions
    ) -> None:
        self._session, self._files, self._fractions = session, files, fractions
        self._prints = {file.id: read_sketch(file.sketch) for file in files}
        self._keys = {file.id: _keys(self._prints[file.id]) for file in files}
        self._kinds = {file.id: file.kind for file in files}
        self._cluster: dict[int, str] = {}  # of each file, before merging
        self._merged: dict[str, str] = {}  # a cluster that went into another
        self._votes: dict[str, Counter[str | None]] = defaultdict(
            Counter
        )  # files per split, by cluster
        self._lists: dict[int, list[int]] = defaultdict(list)  # the index, as far as it matters
        self._posted: list[tuple[int, int]] = []
        self._grown: set[str] = set()  # clusters that were there and got a member

    def run(self) -> None:
        wanted = {key for held in self._keys.values() for key in held}
        self._lists |= _postings(self._session, wanted)
        self._read_owners({owner for owners in self._lists.values() for owner in owners})
        self._read_votes({*self._cluster.values(), *(file.sha256 for file in self._files)})
        near = {file.id: self._near(file) for file in self._files}
        self._read_prints({owner for owners in near.values() for owner in owners})
        for file in self._files:
            self._place(file)
        self._write()

    def _read_owners(self, ids: Iterable[int]) -> None:
        for chunk in _chunks(sorted(ids)):
            query = select(File.id, File.kind, File.cluster).where(File.id.in_(chunk))
            for file_id, kind, cluster in self._session.execute(query):
                if cluster is not None:
                    self._kinds[file_id], self._cluster[file_id] = kind, cluster

    def _read_votes(self, clusters: Iterable[str]) -> None:
        for chunk in _chunks(sorted(clusters)):
            query = (
                select(File.cluster, File.split, func.count())
                .where(File.cluster.in_(chunk))
                .group_by(File.cluster, File.split)
            )
            for cluster, split, count in self._session.execute(query):
                self._votes[cluster or ""][split] += count

    def _read_prints(self, ids: Iterable[int]) -> None:
        for chunk in _chunks(sorted(set(ids) - self._prints.keys())):
            query = select(File.id, File.sketch).where(File.id.in_(chunk))
            for file_id, sketch in self._session.execute(query):
                self._prints[file_id] = read_sketch(sketch)

    def _root(self, cluster: str) -> str:
        while cluster in self._merged:
            cluster = self._merged[cluster]
        return cluster

    def _near(self, file: FileToGroup) -> list[int]:
        """Files worth comparing with, the likest first; of each cluster no more than TRIES."""
        lists = self._lists
        held = self._keys[file.id]
        shared = Counter(chain.from_iterable(lists.get(key, ()) for key in held))
        shared.update(
            chain.from_iterable(lists.get(key, ()) for key in held if is_whole_piece(key))
        )
        likely = [(-count, owner) for owner, count in shared.items() if count >= SHARED]
        tried: Counter[str] = Counter()
        near = []
        for _, owner in sorted(likely):
            if owner not in self._cluster or self._kinds[owner] != file.kind:
                continue  # an entry that a file left behind, or another kind of piece
            cluster = self._root(self._cluster[owner])
            tried[cluster] += 1
            if tried[cluster] <= TRIES:
                near.append(owner)
            if len(near) == COMPARED:
                break
        return near

    def _place(self, file: FileToGroup) -> None:
        """Join the file with its twins: all their clusters become one, of the smallest key."""
        mine = self._prints[file.id]
        named = self._root(file.sha256)  # others may still have the name that is this file's
        joined = {named} if self._votes.get(named) else set()
        near = self._near(file)
        self._read_prints(near)  # those that came into view since the batch began
        for owner in near:
            cluster = self._root(self._cluster[owner])
            other = self._prints.get(owner)
            if cluster not in joined and mine and other and are_near_duplicates(mine, other):
                joined.add(cluster)
        key = min(joined | {file.sha256})
        self._grown |= joined
        ballot = sum(
            (self._votes.pop(cluster, Counter()) for cluster in joined), Counter[str | None]()
        )
        for cluster in joined - {key}:
            self._merged[cluster] = key
        split = majority_split(ballot) or file.split or split_by_hash(file.sha256, self._fractions)
        self._votes[key] = Counter({split: ballot.total() + 1})
        self._cluster[file.id] = key
        self._post(file.id, key)

    def _post(self, file_id: int, cluster: str) -> None:
        """Into the index, where the piece says something that its twins do not say already."""
        lists = self._lists
        held = [(key, lists[key]) for key in self._keys[file_id]]
        if any(len(owners) >= LISTED for _, owners in held):
            held.sort(key=lambda item: (len(item[1]), item[0]))
        for rank, (key, owners) in enumerate(held):
            if file_id in owners or (len(owners) >= LISTED and rank >= RAREST):
                continue
            if len(owners) < TWINS or self._twins(owners, cluster) < TWINS:
                owners.append(file_id)
                self._posted.append((key, file_id))

    def _twins(self, owners: Sequence[int], cluster: str) -> int:
        return sum(self._root(self._cluster.get(owner, "")) == cluster for owner in owners)

    def _write(self) -> None:
        session = self._session
        rows = []
        for file in self._files:
            cluster = self._root(self._cluster[file.id])
            split = majority_split(self._votes[cluster])
            rows.append({"id": file.id, "cluster": cluster, "split": split})
        for cluster in sorted(self._grown):
            final = self._root(cluster)
            split = majority_split(self._votes[final])
            stale = or_(File.cluster != final, File.split.is_distinct_from(split))
            session.execute(
                update(File)
                .where(File.cluster == cluster, stale)
                .values(cluster=final, split=split),
                execution_options={"synchronize_session": False},
            )
        session.execute(update(File), rows)
        _insert_postings(session, self._posted)


def _keys(found: Sketch | None) -> list[int]:
    return index_keys(found) if found else []


def _postings(session: Session, wanted: Iterable[int]) -> dict[int, list[int]]:
    """The files under each key. Tens of thousands of index_keys a batch: written as they are, because
    binding them would take as long as finding them.
    """
    found: dict[int, list[int]] = {}
    connection = session.connection()
    for chunk in _chunks(sorted(wanted)):
        numbers = ",".join(str(int(key)) for key in chunk)
        query = f"SELECT key, file_id FROM postings WHERE key IN ({numbers})"
        for key, owner in connection.exec_driver_sql(query):
            found.setdefault(key, []).append(owner)
    return found


def _insert_postings(session: Session, rows: Sequence[tuple[int, int]]) -> None:
    connection = session.connection()
    if not rows:
        return
    if connection.dialect.paramstyle == "qmark":  # five times as fast as by names
        query = "INSERT INTO postings (key, file_id) VALUES (?, ?)"
        connection.exec_driver_sql(query, sorted(rows))
    else:
        named = [{"key": key, "file_id": file_id} for key, file_id in sorted(rows)]
        connection.execute(insert(Posting.__table__), named)  # type: ignore[arg-type]


def _repost(session: Session, clusters: Sequence[str]) -> None:
    """Index what the members that are left hold: one that is gone may have spoken for them."""
    for cluster in clusters:
        query = select(File.id, File.sketch).where(File.cluster == cluster).order_by(File.id)
        members = [(id, _keys(read_sketch(sketch))) for id, sketch in session.execute(query)]
        ids = {id for id, _ in members}
        lists = defaultdict(list, _postings(session, {key for _, held in members for key in held}))
        rows = []
        for id, held in members:
            for key in held:
                twins = ids.intersection(lists[key])
                if id not in twins and len(twins) < TWINS:
                    lists[key].append(id)
                    rows.append((key, id))
        _insert_postings(session, rows)


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
