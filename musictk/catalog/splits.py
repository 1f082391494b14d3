"""Assign clusters of near-duplicates to the splits train, valid and test."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from musictk.catalog.records import SPLITS


@dataclass(frozen=True)
class Fractions:
    """Fractions of the clusters for validation and test; the rest is for training."""

    valid: float = 0.1
    test: float = 0.1


@dataclass(frozen=True)
class ClusterMember:
    """A file's cluster and its current split (None: new)."""

    cluster: str
    split: str | None


def assign_splits(members: Iterable[ClusterMember], fractions: Fractions) -> dict[str, str]:
    """The split of every cluster, by cluster key. Deterministic; a cluster is never divided.

    A cluster with splits keeps the split of most of its files, train first on a tie, so that a file
    that merges two clusters moves few files. A new cluster gets its split by the hash of its key,
    independent of the rest of the corpus. No split stays empty if there are enough clusters (one
    for train, two for valid, three for test); new clusters move before old ones.
    """
    votes: dict[str, Counter[str | None]] = {}
    for member in members:
        ballot = votes.setdefault(member.cluster, Counter())
        if member.split is not None:
            ballot[member.split] += 1
    assigned = {key: majority_split(votes[key]) or split_by_hash(key, fractions) for key in votes}
    return fill_empty_splits(
        assigned, fractions, {key for key, ballot in votes.items() if not ballot}
    )


def majority_split(votes: Mapping[str | None, int]) -> str | None:
    """The split of most files, train first on a tie; None where no file has one."""
    best = max(SPLITS, key=lambda split: votes.get(split, 0))
    return best if votes.get(best) else None


def fill_empty_splits(
    assigned: Mapping[str, str],
    fractions: Fractions,
    fresh: Collection[str],
    official: Collection[str] = (),
) -> dict[str, str]:
    """The same assignment with a cluster moved to every wanted split that is empty.

    Clusters in `fresh` are moved first, those with an `official` split only if there is no other,
    and never to test, without which a model can be trained. With too few clusters test and then
    valid stay empty.
    """
    filled = dict(assigned)
    wanted = _wanted(len(filled), fractions)
    for split in wanted:
        if split not in filled.values():
            donor = _donor(filled, wanted, fresh, official, movable=split != "test")
            if donor is not None:
                filled[donor] = split
    return filled


def strictest_split(splits: Collection[str]) -> str:
    """The split of near-duplicates with different official ones: test, else valid, else train.

    So nothing of a test piece is trained on.
    """
    return max(splits, key=SPLITS.index)


def wanted_splits(fractions: Fractions) -> list[str]:
    """The splits with a fraction above 0."""
    shares = {"train": 1.0, "valid": fractions.valid, "test": fractions.test}
    return [split for split in SPLITS if shares[split] > 0]


def hash_position(key: str) -> float:
    """The hash of a cluster's key as a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(f"split:{key}".encode()).digest()[:8]) / 2**64


def split_by_hash(key: str, fractions: Fractions) -> str:
    """The split of a new cluster, independent of the rest of the corpus."""
    place = hash_position(key)
    if place < fractions.valid:
        return "valid"
    return "test" if place < fractions.valid + fractions.test else "train"


def _wanted(clusters: int, fractions: Fractions) -> list[str]:
    return wanted_splits(fractions)[:clusters]


def _donor(
    assigned: Mapping[str, str],
    wanted: Collection[str],
    fresh: Collection[str],
    official: Collection[str],
    movable: bool,
) -> str | None:
    """The cluster to move: from the largest split that has more than one, new before old.

    None if there are only `official` ones, and these are not `movable`.
    """
    counts = Counter(assigned.values())
    spare = {split for split in counts if counts[split] > 1 or split not in wanted}
    free = {key: split for key, split in assigned.items() if key not in official}
    donors = free if spare.intersection(free.values()) else assigned
    if donors is assigned and official and not movable:
        return None
    fullest = max(spare.intersection(donors.values()), key=lambda split: (counts[split], split))
    inside = [key for key, split in donors.items() if split == fullest]
    return min(inside, key=lambda key: (key not in fresh, hash_position(key), key))
