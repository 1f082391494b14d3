"""Nats per note and per second of music of a model on collections of MIDI files.

    python -m benchmarks.likelihood BUNDLE NAME=FOLDER|FILE.csv … [--split test] [--save]
    python -m benchmarks.likelihood BUNDLE valid=WORKSPACE --split valid

A FOLDER is scored whole. A CSV lists files beside it and their splits, as that of MAESTRO does
(columns `midi_filename` and `split`), and a workspace has splits of its own: of these `--split` is
scored. Every note is scored once, given at least half of the length of training rows before it.
Composers that the model does not know are unlabelled to it, and in `without label` all pieces are.
Intervals are of 95 % over pieces (over works in a workspace). Nothing here checks that the model
was not trained on the pieces: `musictk runs compare` does.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.keep import keep
from musictk.catalog import Catalog, PieceInfo
from musictk.evaluation.nll import Interval, per_unit
from musictk.ingest import tokenize
from musictk.ingest.collect import ingest
from musictk.jobs.corpus import Corpus, condition_ids
from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens.crops import Crops
from musictk.training.evaluate import nll
from musictk.workspace import Workspace, here


def main() -> None:
    """Score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("bundle", type=Path, help="such as WORKSPACE/runs/RUN/best")
    parser.add_argument("collections", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--split", default="test")
    parser.add_argument("--most", type=int, default=0, help="pieces of a collection; 0: all")
    parser.add_argument("--save", nargs="?", const="", metavar="FILE")
    flags = parser.parse_args()
    network, manifest = bundle.read(flags.bundle)
    rows = []
    for given in flags.collections:
        name, _, path = given.partition("=")
        reads = manifest.make_tokenizer().reads
        with opened(Path(path), flags.split, flags.most, frozenset(reads)) as collection:
            rows.append({"collection": name} | row(network, manifest, collection))
        print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    if flags.save is not None:
        steps = manifest.trained["step"]
        note = f"{manifest.architecture} on {manifest.tokenizer}, {steps:,} steps"
        title = f"Likelihood, {flags.split} split: nats per note and per second of music"
        given = f"BUNDLE NAME=PATH … --split {flags.split}"
        keep("likelihood", title, given, rows, note, flags.save or None)


class Collection(NamedTuple):
    """Pieces to score, and the catalog that they are in."""

    catalog: Catalog
    workspace: Workspace
    pieces: list[PieceInfo]


@contextmanager
def opened(path: Path, split: str, most: int, reads: frozenset[str]) -> Iterator[Collection]:
    """The pieces of a workspace's split; those of a folder or a CSV in a temporary catalog."""
    with TemporaryDirectory() as folder:
        kept = (path / "catalog.db").exists()
        workspace = here(path if kept else Path(folder))
        with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
            if not kept:
                files = listed(path, split) if path.suffix == ".csv" else found(path)
                ingest(catalog, workspace, files[: most or None])
            pieces = Corpus(catalog, workspace).select(reads, split if kept else None)
            yield Collection(catalog, workspace, pieces[: most or None])


def found(folder: Path) -> list[Path]:
    """The MIDI files under a folder."""
    return sorted(each for each in folder.rglob("*") if each.suffix.lower() in (".mid", ".midi"))


def listed(table: Path, split: str) -> list[Path]:
    """The files of a split of a table."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [each for each in csv.DictReader(file) if each["split"] == split]
    return [table.parent / each["midi_filename"] for each in rows]


def row(network: Network, manifest: Manifest, collection: Collection) -> dict[str, Any]:
    """One collection's figures."""
    tokenizer = manifest.make_tokenizer()
    catalog, workspace, chosen = collection
    pieces = {piece.id: piece for piece in chosen}
    shard = tokenize(catalog, workspace, tokenizer, "test", pieces=chosen)
    labels = condition_ids(pieces, shard, manifest.conditions)
    facts = [pieces[file] for file in shard.files.tolist()]
    notes = np.array([each.notes for each in facts], np.float64)
    seconds = np.array([each.seconds for each in facts])
    clusters = [each.cluster or str(each.id) for each in facts]
    values: dict[str, Any] = {"pieces": len(facts), "notes": int(notes.sum())}
    length = manifest.trained_length or manifest.max_length
    for suffix, ids in (("", labels), (", without label", np.zeros_like(labels))):
        crops = Crops(shard, ids, np.ones(len(facts)))
        scores = nll(network, crops, 8, length, context=length // 2)
        known = scores.positions > 0  # the tokenizer cannot represent the others
        for unit, counts in (("note", notes), ("second", seconds)):
            owners = [cluster for cluster, each in zip(clusters, known, strict=True) if each]
            found = per_unit(scores.nats[known], counts[known], clusters=owners)
            values[f"nats per {unit}{suffix}"] = text(found)
    return values


def text(found: Interval) -> str:
    """A mean and its interval."""
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
