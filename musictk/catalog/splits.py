"""Dealing clusters of near-duplicates into train, valid and test."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from musictk.catalog.records import SPLITS


@dataclass(frozen=True)
class Fractions:
    """How much of the corpus is kept away from training."""

    valid: float = 0.1
    test: float = 0.1


@dataclass(frozen=True)
class ClusterMember:
    """A file's cluster, and the split it was dealt to before (None: new)."""

    cluster: str
    split: str | None


def assign_splits(members: Iterable[ClusterMember], fractions: Fractions) -> dict[str, str]:
    """The split of every cluster. Deterministic; a cluster is never divided.

    A cluster dealt before stays where most of its files are, training first on a tie: a new file
    that joins two clusters therefore moves as few files as it can. A new cluster goes by the hash
    of its key, so what others are in the corpus does not matter. Afterwards no split is left empty
    where there are clusters enough (train needs one, valid two, test three); new clusters move
    before old ones.
    """
    votes: dict[str, Counter[str | None]] = {}
    for member in members:
        ballot = votes.setdefault(member.cluster, Counter())
        if member.split is not None:
            ballot[member.split] += 1
    dealt = {key: majority_split(votes[key]) or split_by_hash(key, fractions) for key in votes}
    return fill_empty_splits(dealt, fractions, {key for key, ballot in votes.items() if not ballot})


def majority_split(votes: Mapping[str | None, int]) -> str | None:
    """The split of most files, training first on a tie; None where no file has one."""
    best = max(SPLITS, key=lambda split: votes.get(split, 0))
    return best if votes.get(best) else None


def fill_empty_splits(
    dealt: Mapping[str, str], fractions: Fractions, fresh: Collection[str]
) -> dict[str, str]:
    """The same assign_splits, with no wanted split empty where there are clusters enough; `fresh` ones
    move before others.
    """
    filled = dict(dealt)
    wanted = _wanted(len(filled), fractions)
    for split in wanted:
        if split not in filled.values():
            filled[_donor(filled, wanted, fresh)] = split
    return filled


def wanted_splits(fractions: Fractions) -> list[str]:
    """The splits that are to hold anything."""
    shares = {"train": 1.0, "valid": fractions.valid, "test": fractions.test}
    return [split for split in SPLITS if shares[split] > 0]


def hash_position(key: str) -> float:
    """Where the hash of a cluster's key falls in [0, 1)."""
    return int.from_bytes(hashlib.sha256(f"split:{key}".encode()).digest()[:8]) / 2**64


def split_by_hash(key: str, fractions: Fractions) -> str:
    """The split that a new cluster goes to, whatever else is in the corpus."""
    place = hash_position(key)
    if place < fractions.valid:
        return "valid"
    return "test" if place < fractions.valid + fractions.test else "train"


def _wanted(clusters: int, fractions: Fractions) -> list[str]:
    return wanted_splits(fractions)[:clusters]


def _donor(dealt: Mapping[str, str], wanted: Collection[str], fresh: Collection[str]) -> str:
    """The cluster to move: from the fullest split that can spare one, new before old."""
    counts = Counter(dealt.values())
    spare = [split for split in counts if counts[split] > 1 or split not in wanted]
    fullest = max(spare, key=lambda split: (counts[split], split))
    inside = [key for key, split in dealt.items() if split == fullest]
    return min(inside, key=lambda key: (key not in fresh, hash_position(key), key))
