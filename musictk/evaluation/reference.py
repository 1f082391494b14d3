"""A reference: what a training set shares with other music, without the music itself.

Of each training piece it has the hashes of its 9-note patterns (see `originality`), 32 bits of
each, as a set: neither their order nor their positions, keys, rhythms or names are stored. With
`every` above 1, only one hash in `every` is kept, chosen by its value, so that patterns that
overlap are rarely kept together. A piece cannot be written from it. Such a file can be given to
others with a model that was trained on music that cannot.

It also has the human baseline: how much pieces that the model was not trained on share with the
training pieces, by length (the idea of Yin et al. 2022, "Measuring when a music generation
algorithm copies too much"). The length matters: a longer piece has more chances to share a passage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from symusic.core import ScoreTick

from musictk.arrays import ranges
from musictk.errors import MusictkError
from musictk.evaluation.originality import GRAM, LONG, gram_hashes
from musictk.files import atomic, cause

FILE = "reference.safetensors"  # its name in the bundle of a model
SHIPPED = 8  # `every` of a reference that is given to others
PERCENTILE = 95
LENGTHS = (64, 128, 256, 512, 1024, 2048)  # notes
LEAST = 20  # held-out pieces of a length: with fewer, its 95th percentile is a guess
VERSION = 1
_COLUMNS = ("notes", "pieces", "share", "longest", "copied")
_FACTOR = np.uint64(0x94D049BB133111EB)  # of splitmix64 (Steele, Lea & Flood 2014)

Hashes = NDArray[np.uint32]


@dataclass(frozen=True)
class Shared:
    """What a piece shares with a reference."""

    notes: int  # of the piece
    share: float  # of its patterns that the training piece with the most of them has too
    longest: int  # notes of the longest passage whose patterns are all in one training piece; or 0
    copied: float  # share of its notes in passages of at least LONG notes

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Baseline:
    """The 95th percentile over held-out pieces, cut to a length."""

    notes: int  # the length
    pieces: int  # held-out pieces of this length or longer
    share: float
    longest: int
    copied: float

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Reference:
    """The patterns of the training pieces, and what held-out pieces share with them."""

    hashes: Hashes  # (N,) ascending
    owners: NDArray[np.uint32]  # (N,) the piece that has each, by number; ascending for one hash
    pieces: int
    every: int
    baselines: tuple[Baseline, ...] = ()  # by ascending length

    def measure(self, score: ScoreTick) -> Shared:
        """What a piece shares. Raises MusictkError for fewer than 9 pitched notes."""
        grams = gram_hashes(score)
        if not len(grams):
            raise MusictkError("the piece has too few notes", f"give at least {GRAM + 1}")
        return self.compare(grams)

    def compare(self, grams: NDArray[np.uint64]) -> Shared:
        """What a piece shares, from the hashes of its patterns in their order."""
        short, kept = _kept(grams, self.every)
        notes = len(grams) + GRAM
        if not len(kept):
            return Shared(notes, 0.0, 0, 0.0)
        left = np.searchsorted(self.hashes, short, "left")
        many = np.searchsorted(self.hashes, short, "right") - left
        rank = np.repeat(np.arange(len(kept)), many)
        owner = self.owners[np.repeat(left, many) + ranges(many)].astype(np.int64)
        if not len(rank):
            return Shared(notes, 0.0, 0, 0.0)
        share = int(np.bincount(owner).max()) / len(kept)
        order = np.lexsort((rank, owner))
        rank, owner = rank[order], owner[order]
        broken = (np.diff(rank) != 1) | (np.diff(owner) != 0)
        first = np.append(0, np.flatnonzero(broken) + 1)
        last = np.append(first[1:], len(rank)) - 1
        start, stop = kept[rank[first]], kept[rank[last]] + GRAM + 1
        copied = np.zeros(notes, np.bool_)
        for index in np.flatnonzero(stop - start >= LONG):
            copied[start[index] : stop[index]] = True
        return Shared(notes, share, int((stop - start).max()), float(copied.mean()))

    def baseline(self, notes: int) -> Baseline | None:
        """The human baseline of a length; None without enough held-out pieces.

        Between two measured lengths it is interpolated by the logarithm of the length; beyond them
        it is that of the nearest.
        """
        known = [each for each in self.baselines if each.pieces >= LEAST]
        if not known:
            return None
        place = np.log(max(notes, 1))
        lengths = np.log([each.notes for each in known])

        def at(values: list[float]) -> float:
            return float(np.interp(place, lengths, values))

        nearest = known[int(np.abs(lengths - place).argmin())]
        return Baseline(
            notes=notes,
            pieces=nearest.pieces,
            share=at([each.share for each in known]),
            longest=round(at([float(each.longest) for each in known])),
            copied=at([each.copied for each in known]),
        )


def build_reference(
    training: Iterable[ScoreTick], held_out: Iterable[ScoreTick], every: int = 1
) -> Reference:
    """The reference of training pieces, with the baseline of held-out ones.

    Raises MusictkError without training pieces.
    """
    hashes: list[Hashes] = []
    for score in training:
        hashes.append(np.unique(_kept(gram_hashes(score), every)[0]))
    if not hashes:
        hint = "ingest more music, or run: musictk catalog split"
        raise MusictkError("there are no training pieces to compare with", hint)
    owners = np.repeat(np.arange(len(hashes), dtype=np.uint32), [len(each) for each in hashes])
    joined = np.concatenate(hashes)
    order = np.argsort(joined, kind="stable")
    bare = Reference(joined[order], owners[order], len(hashes), every)
    grams = [gram_hashes(score) for score in held_out]
    baselines = tuple(_baseline(bare, grams, length) for length in LENGTHS)
    return Reference(bare.hashes, bare.owners, bare.pieces, every, baselines)


def write_reference(path: Path, reference: Reference) -> None:
    """Write it atomically as safetensors. Raises WriteError if it cannot be written.

    hashes (N,) uint32 and owners (N,) uint32, as `Reference` has them; baselines (5, L) float64:
    notes, pieces, share, longest, copied of each length; facts (3,) int64: version, every, pieces.
    """
    columns = [[getattr(each, key) for each in reference.baselines] for key in _COLUMNS]
    arrays: dict[str, NDArray[Any]] = {
        "hashes": reference.hashes,
        "owners": reference.owners,
        "baselines": np.array(columns, np.float64).reshape(len(_COLUMNS), -1),
    }
    facts = {"version": VERSION, "every": reference.every, "pieces": reference.pieces}
    arrays["facts"] = np.array(list(facts.values()), np.int64)
    with atomic(path, SafetensorError) as temporary:
        save_file(arrays, str(temporary))


def read_reference(path: Path) -> Reference:
    """Read a stored reference. Raises MusictkError where it is missing or damaged."""
    try:
        arrays = load_file(path)
        version, every, pieces = arrays["facts"].tolist()
        hashes, owners = arrays["hashes"], arrays["owners"]
        if version != VERSION or hashes.shape != owners.shape or every < 1:
            raise ValueError("the arrays do not match")
        table = [dict(zip(_COLUMNS, row, strict=True)) for row in arrays["baselines"].T.tolist()]
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        hint = "write it again with musictk.jobs.originality.write_training_reference"
        raise MusictkError(f"cannot read the reference {path}: {cause(error)}", hint) from error
    baselines = tuple(
        Baseline(
            int(row["notes"]), int(row["pieces"]), row["share"], int(row["longest"]), row["copied"]
        )
        for row in table
    )
    return Reference(hashes.astype(np.uint32), owners.astype(np.uint32), pieces, every, baselines)


def _kept(grams: NDArray[np.uint64], every: int) -> tuple[Hashes, NDArray[np.int64]]:
    """(M,) the hashes that are kept, 32 bits each, and (M,) their indices.

    The bits are mixed: the lowest ones of a polynomial hash depend on few of its symbols.
    """
    mixed = (grams ^ grams >> np.uint64(31)) * _FACTOR
    short = (mixed >> np.uint64(32)).astype(np.uint32)
    index = np.flatnonzero(short % np.uint32(every) == 0)
    return short[index], index


def _baseline(reference: Reference, pieces: list[NDArray[np.uint64]], length: int) -> Baseline:
    """The percentile over the first `length` notes of the pieces that have as many."""
    count = length - GRAM
    found = [reference.compare(grams[:count]) for grams in pieces if len(grams) >= count]
    if not found:
        return Baseline(length, 0, 0.0, 0, 0.0)
    share, longest, copied = (
        np.percentile([getattr(each, key) for each in found], PERCENTILE)
        for key in ("share", "longest", "copied")
    )
    return Baseline(length, len(found), float(share), round(float(longest)), float(copied))
