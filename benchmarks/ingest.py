"""Ingest against what one would parse the same files with: files per second of one core.

    pip install pretty_midi
    python -m benchmarks.ingest FOLDER [--files 150] [--rounds 3]

Both read the same files in turns. `musictk ingest` does all of its work: bytes checked, parsed in a
worker, measured, sketched, recorded in a catalog on disk, grouped and assigned to splits; the CPU
time of every process counts, its start too. `pretty_midi` parses. Medians are printed,
and how long a second ingest takes that finds nothing to do.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from shutil import copy

from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, ingest
from musictk.workspace import here


def cpu() -> float:
    """CPU seconds of this process and of the workers it has waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def ours(folder: Path) -> tuple[float, float]:
    """CPU seconds of the first ingest of a folder, and wall seconds of the second."""
    with tempfile.TemporaryDirectory() as name:
        workspace = here(Path(name))
        with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
            began = cpu()
            ingest(catalog, workspace, [folder], IngestOptions(workers=1))
            spent, again = cpu() - began, time.perf_counter()
            ingest(catalog, workspace, [folder], IngestOptions(workers=1))
            return spent, time.perf_counter() - again


def theirs(files: Sequence[Path]) -> float:
    """CPU seconds of pretty_midi over the files."""
    import pretty_midi

    began = cpu()
    for path in files:
        pretty_midi.PrettyMIDI(str(path))
    return cpu() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(chosen.folder.rglob("*.mid"))
    files = random.Random(0).sample(files, min(chosen.files, len(files)))
    with tempfile.TemporaryDirectory() as name:
        for number, path in enumerate(files):
            copy(path, Path(name, f"{number}.mid"))
        rounds = [(*ours(Path(name)), theirs(files)) for _ in range(chosen.rounds)]
    mine, again, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    rows = [
        {
            "run": name,
            "files/s/core": round(len(files) / seconds, 1),
            "ratio": round(other / seconds, 1),
        }
        for name, seconds in (("pretty_midi, parsing only", other), ("musictk ingest", mine))
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(f"second ingest of {len(files)} files: {again:.3f} s")
    if chosen.save:
        note = (
            f"{len(files)} files, every process counted, medians over {chosen.rounds} interleaved "
            f"rounds; ingesting them a second time takes {again:.2f} s"
        )
        keep("ingest", "Ingest", f"FOLDER --files {len(files)}", rows, note)


if __name__ == "__main__":
    main()
