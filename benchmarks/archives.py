"""Encoding the pieces of a folder, and of archives of the same files: pieces per CPU second.

    python -m benchmarks.archives FOLDER [--counts 200 800] [--rounds 3] [--save]

The files of FOLDER are ingested from a copy, from a zip and from a tar.gz file; then all of them
are encoded as `events`, on one worker. CPU time of every process counts. The rate should not
depend on how many pieces an archive has. Runs are interleaved; medians are printed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copy
from typing import Any

from benchmarks.ingest import cpu
from benchmarks.keep import keep
from musictk.catalog import SPLITS, Catalog
from musictk.ingest import IngestOptions, ingest, tokenize
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.workspace import here


def folder(files: Sequence[Path], place: Path) -> Path:
    """A copy of the files in a folder."""
    made = place / "files"
    made.mkdir()
    for number, path in enumerate(files):
        copy(path, made / f"{number}.mid")
    return made


def zipped(files: Sequence[Path], place: Path) -> Path:
    """The files in a zip file."""
    with zipfile.ZipFile(place / "files.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(files):
            archive.write(path, f"{number}.mid")
    return place / "files.zip"


def tarred(files: Sequence[Path], place: Path) -> Path:
    """The files in a tar.gz file."""
    with tarfile.open(place / "files.tar.gz", "w:gz") as archive:
        for number, path in enumerate(files):
            archive.add(path, f"{number}.mid")
    return place / "files.tar.gz"


SOURCES: dict[str, Callable[[Sequence[Path], Path], Path]] = {
    "folder": folder,
    "zip": zipped,
    "tar.gz": tarred,
}


def rate(source: str, files: Sequence[Path]) -> float:
    """Pieces per CPU second."""
    tokenizer = make_component(registry().load("tokenizer", "events"), {})
    with tempfile.TemporaryDirectory() as name:
        path, workspace = SOURCES[source](files, Path(name)), here(Path(name))
        with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
            ingest(catalog, workspace, [path], IngestOptions(workers=1))
            pieces, began = len(list(catalog.pieces())), cpu()
            for split in SPLITS:
                tokenize(catalog, workspace, tokenizer, split, workers=1)
            return pieces / (cpu() - began)


def main() -> None:
    """Measure every source for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 800])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    flags = parser.parse_args()
    files = sorted(flags.folder.rglob("*.mid"))
    files = random.Random(0).sample(files, min(max(flags.counts), len(files)))
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(flags.rounds):
        for count in flags.counts:
            for source in SOURCES:
                rates.setdefault((source, count), []).append(rate(source, files[:count]))
    rows: list[dict[str, Any]] = []
    for source in SOURCES:
        row: dict[str, Any] = {"source": source}
        for count in flags.counts:
            row[f"{count:,} files"] = round(statistics.median(rates[source, count]))
        rows.append(row)
        print(row)
    if flags.save:
        counts = " ".join(map(str, flags.counts))
        note = f"pieces per CPU second of all processes, medians over {flags.rounds} rounds"
        keep("archives", "Encoding from archives", f"FOLDER --counts {counts}", rows, note)


if __name__ == "__main__":
    main()
