"""Cluster near-duplicates and assign clusters to splits, in the transaction that adds the files.

A new file is compared with the files that share two keys of its sketch, see
`musictk.sketches.index_keys`. They are found through the inverted index `postings`, so that the
cost does not grow with the catalog. Files are grouped one by one: the result depends on their
order, not on the size of a batch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.group_rows import rename_clusters, set_groups
from musictk.catalog.models import File, Posting
from musictk.catalog.postings import (
    PER_CLUSTER,
    delete_postings,
    insert_postings,
    keys_of,
    promote,
    read_postings,
    read_sketch,
    repost,
)
from musictk.catalog.records import FileToGroup
from musictk.catalog.splits import Fractions, majority_split, split_by_hash
from musictk.sketches import are_near_duplicates, is_whole_piece

SHARED = 2  # keys in common that make a pair worth comparing
LISTED = 200  # pieces indexed under one key: a more common key does not distinguish pieces
RAREST = 8  # keys of a piece that are indexed however common they are
TRIES = 8  # pieces of one cluster that a piece is compared with, most shared keys first
COMPARED = 64  # pieces in total that one piece is compared with, most shared keys first
_BATCH = 256  # files compared at a time
Listed = Mapping[int, list[int]]  # keys and the files that have them


def group(session: Session, files: Sequence[FileToGroup], fractions: Fractions) -> None:
    """Give every file a cluster and a split; merge the clusters that a file connects."""
    for start in range(0, len(files), _BATCH):
        _Grouping(session, files[start : start + _BATCH], fractions).run()


def ungroup(session: Session, ids: Sequence[int]) -> None:
    """Remove files from their clusters, splits and the index, using their stored sketches."""
    left: set[str] = set()
    for chunk in chunks(ids):
        rows = session.execute(select(File.cluster, File.id, File.sketch).where(File.id.in_(chunk)))
        for cluster, file_id, sketch in rows.all():
            left |= {cluster} if cluster else set()
            delete_postings(session, file_id, keys_of(read_sketch(sketch)))
        session.execute(
            update(File).where(File.id.in_(chunk)).values(cluster=None, split=None),
            execution_options={"synchronize_session": False},
        )
    repost(session, sorted(left))


def group_all(session: Session, fractions: Fractions) -> None:
    """Group every accepted file from its sketch, as if it were new, in the order of ids."""
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
    """Files of the catalog as input of `group`, in the order of ids."""
    columns = (File.id, File.sha256, File.kind, File.sketch, File.split)
    found = []
    for chunk in chunks(sorted(ids)):
        query = select(*columns).where(File.id.in_(chunk)).order_by(File.id)
        for file_id, sha256, kind, sketch, split in session.execute(query):
            found.append(FileToGroup(file_id, str(sha256), kind, sketch, split))
    return found


class _Grouping:
    """One batch: read what the files are compared with, group them, write once."""

    def __init__(
        self, session: Session, files: Sequence[FileToGroup], fractions: Fractions
    ) -> None:
        self._session, self._files, self._fractions = session, files, fractions
        self._sketches = {file.id: read_sketch(file.sketch) for file in files}
        self._keys = {file.id: keys_of(self._sketches[file.id]) for file in files}
        self._kinds = {file.id: file.kind for file in files}
        self._cluster: dict[int, str] = {}  # of each file, before merging
        self._merged: dict[str, str] = {}  # a cluster -> the one it was merged into
        # Files per split, by cluster.
        self._votes: dict[str, Counter[str | None]] = defaultdict(Counter)
        self._lists: dict[int, list[int]] = {}  # the part of the index in use
        self._posted: list[tuple[int, int]] = []
        self._grown: set[str] = set()  # existing clusters that got a new member
        self._files_of: dict[str, set[int]] = defaultdict(set)  # by cluster, before merging
        self._read_clusters: set[str] = set()  # those whose stored files are in `_files_of`

    def run(self) -> None:
        wanted = {key for held in self._keys.values() for key in held}
        self._lists |= read_postings(self._session, wanted)
        self._read_owners({owner for owners in self._lists.values() for owner in owners})
        self._read_votes({*self._cluster.values(), *(file.sha256 for file in self._files)})
        near = {file.id: self._near(file, self._listed(file)) for file in self._files}
        self._read_sketches({owner for owners in near.values() for owner in owners})
        for file in self._files:
            self._place(file)
        self._write()

    def _read_owners(self, ids: Iterable[int]) -> None:
        for chunk in chunks(sorted(ids)):
            query = select(File.id, File.kind, File.cluster).where(File.id.in_(chunk))
            for file_id, kind, cluster in self._session.execute(query):
                if cluster is not None:
                    self._kinds[file_id], self._cluster[file_id] = kind, cluster

    def _read_votes(self, clusters: Iterable[str]) -> None:
        for chunk in chunks(sorted(clusters)):
            query = (
                select(File.cluster, File.split, func.count())
                .where(File.cluster.in_(chunk))
                .group_by(File.cluster, File.split)
            )
            for cluster, split, count in self._session.execute(query):
                self._votes[cluster or ""][split] += count

    def _read_sketches(self, ids: Iterable[int]) -> None:
        for chunk in chunks(sorted(set(ids) - self._sketches.keys())):
            query = select(File.id, File.sketch).where(File.id.in_(chunk))
            for file_id, sketch in self._session.execute(query):
                self._sketches[file_id] = read_sketch(sketch)

    def _root(self, cluster: str) -> str:
        while cluster in self._merged:
            cluster = self._merged[cluster]
        return cluster

    def _listed(self, file: FileToGroup) -> Listed:
        """The keys of the file that other files have too, with these files."""
        lists = self._lists
        return {key: lists[key] for key in self._keys[file.id] if key in lists}

    def _near(self, file: FileToGroup, listed: Listed) -> list[int]:
        """Candidates for comparison, most similar first; at most TRIES of each cluster."""
        shared = Counter(chain.from_iterable(listed.values()))
        shared.update(chain.from_iterable(listed[key] for key in filter(is_whole_piece, listed)))
        likely = [(-count, owner) for owner, count in shared.items() if count >= SHARED]
        tried: Counter[str] = Counter()
        near = []
        for _, owner in sorted(likely):
            if owner not in self._cluster or self._kinds[owner] != file.kind:
                continue  # a stale posting, or a file of another kind
            cluster = self._root(self._cluster[owner])
            tried[cluster] += 1
            if tried[cluster] <= TRIES:
                near.append(owner)
            if len(near) == COMPARED:
                break
        return near

    def _place(self, file: FileToGroup) -> None:
        """Give the file a cluster: that of its near-duplicates, all merged into one."""
        named = self._root(file.sha256)  # a cluster may be named after this file already
        joined = {named} if self._votes.get(named) else set()
        if listed := self._listed(file):
            near = self._near(file, listed)
            self._join(file, near, joined)
            self._join(file, self._unindexed(file, listed, joined, near), joined)
        self._merge(file, joined)
        self._post(file.id, listed)

    def _join(self, file: FileToGroup, candidates: Sequence[int], joined: set[str]) -> None:
        """Add to `joined` the clusters of the candidates that are near-duplicates of the file."""
        self._read_sketches(candidates)  # some became candidates since the batch began
        mine = self._sketches[file.id]
        for owner in candidates:
            cluster = self._root(self._cluster[owner])
            other = self._sketches.get(owner)
            if cluster not in joined and mine and other and are_near_duplicates(mine, other):
                joined.add(cluster)

    def _merge(self, file: FileToGroup, joined: set[str]) -> None:
        """Merge the file and these clusters into one, named by the smallest hash."""
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
        self._files_of[key].add(file.id)

    def _unindexed(
        self, file: FileToGroup, listed: Listed, joined: set[str], compared: Sequence[int]
    ) -> list[int]:
        """Candidates for comparison that the index omits, at most TRIES of a cluster.

        Under one key no more than PER_CLUSTER files of a cluster are indexed. If that limit is
        reached and none of them is a near-duplicate, another file of the cluster may still be one.
        """
        full = self._full_clusters(file, listed, joined)
        if not full:
            return []
        held = set(self._keys[file.id])
        found: list[int] = []
        for cluster in sorted(full):
            counts = []
            for member in self._members(cluster).difference(compared):
                shared = held.intersection(self._keys[member])
                count = len(shared) + any(map(is_whole_piece, shared))
                counts += [(-count, member)] if count >= SHARED else []
            found += [member for _, member in sorted(counts)[:TRIES]]
        return found

    def _full_clusters(self, file: FileToGroup, listed: Listed, joined: set[str]) -> set[str]:
        """The clusters not yet joined that have PER_CLUSTER files under one of the file's keys,
        and share SHARED keys with it."""
        full: set[str] = set()
        for owners in listed.values():
            if len(owners) >= PER_CLUSTER:
                counts = Counter(self._clusters_of(owners, file.kind))
                full |= {cluster for cluster, count in counts.items() if count >= PER_CLUSTER}
        full -= joined
        shared: Counter[str] = Counter()
        for key, owners in listed.items() if full else ():
            for cluster in full.intersection(self._clusters_of(owners, file.kind)):
                shared[cluster] += 1 + is_whole_piece(key)
        return {cluster for cluster in full if shared[cluster] >= SHARED}

    def _clusters_of(self, owners: Sequence[int], kind: str) -> list[str]:
        known = [owner for owner in owners if owner in self._cluster]
        return [self._root(self._cluster[owner]) for owner in known if self._kinds[owner] == kind]

    def _members(self, cluster: str) -> set[int]:
        """All files of a cluster, with their keys in `_keys`."""
        names = {cluster, *(name for name in self._merged if self._root(name) == cluster)}
        for name in names - self._read_clusters:
            query = select(File.id, File.kind, File.sketch).where(File.cluster == name)
            for file_id, kind, sketch in self._session.execute(query):
                if file_id not in self._keys:
                    self._kinds[file_id], self._cluster[file_id] = kind, name
                    self._sketches[file_id] = read_sketch(sketch)
                    self._keys[file_id] = keys_of(self._sketches[file_id])
                    self._files_of[name].add(file_id)
        self._read_clusters |= names
        return set().union(*(self._files_of[name] for name in names))

    def _post(self, file_id: int, listed: Listed) -> None:
        """Index the keys of the file that its cluster does not cover yet."""
        cluster, keys = self._cluster[file_id], self._keys[file_id]
        self._lists |= {key: [file_id] for key in keys if key not in listed}
        self._posted += [(key, file_id) for key in keys if key not in listed]
        # The rarest keys come first: those that no other file has, then those with few files.
        ranked = sorted(listed.items(), key=lambda item: (len(item[1]), item[0]))
        for rank, (key, owners) in enumerate(ranked, len(keys) - len(listed)):
            if file_id in owners or (len(owners) >= LISTED and rank >= RAREST):
                continue
            if len(owners) < PER_CLUSTER or self._indexed(owners, cluster) < PER_CLUSTER:
                owners.append(file_id)
                self._posted.append((key, file_id))

    def _indexed(self, owners: Sequence[int], cluster: str) -> int:
        return sum(self._root(self._cluster.get(owner, "")) == cluster for owner in owners)

    def _write(self) -> None:
        session = self._session
        rows = []
        for file in self._files:
            cluster = self._root(self._cluster[file.id])
            split = majority_split(self._votes[cluster])
            rows.append({"file": file.id, "cluster": cluster, "split": split})
        grown = []
        for cluster in sorted(self._grown):
            final = self._root(cluster)
            grown.append({"old": cluster, "new": final, "at": majority_split(self._votes[final])})
        rename_clusters(session, grown)
        set_groups(session, rows)
        insert_postings(session, self._posted)
        promote(session, [file.id for file in self._files])
