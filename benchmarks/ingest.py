"""Ingest against what one would parse the same files with: files per second of one core.

    pip install pretty_midi
    python -m benchmarks.ingest FOLDER [--files 150] [--rounds 3] [--again 20000]

Both read the same files in turns. `musictk ingest` does all of its work: bytes checked, parsed in a
worker, measured, sketched, recorded in a catalog on disk, grouped and assigned to splits; the CPU
time of every process counts, its start too. `pretty_midi` parses. Medians are printed. Then a
folder of `--again` small files, each different, is ingested twice: the second run finds them all
known. The most memory that the main process has had is printed for both folders.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from shutil import copy
from typing import Any

from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, ingest
from musictk.workspace import here


def cpu() -> float:
    """CPU seconds of this process and of the workers it has waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def ours(folder: Path) -> tuple[float, float]:
    """CPU seconds of the first ingest of a folder, and of the second."""
    with tempfile.TemporaryDirectory() as name:
        workspace = here(Path(name))
        with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
            began = cpu()
            ingest(catalog, workspace, [folder], IngestOptions(workers=1))
            between = cpu()
            report = ingest(catalog, workspace, [folder], IngestOptions(workers=1))
            assert report.accepted == 0
            return between - began, cpu() - between


def memory() -> int:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def many(files: Sequence[Path], count: int, folder: Path) -> None:
    """Write `count` different files: the smaller ones, each with a chunk that readers skip."""
    small = [path.read_bytes() for path in sorted(files, key=lambda path: path.stat().st_size)]
    small = small[: max(len(small) // 3, 1)]
    for number in range(count):
        path = folder / f"{number // 1000}" / f"{number}.mid"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(small[number % len(small)] + b"XTRA\0\0\0\4" + number.to_bytes(4))


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
    parser.add_argument("--again", type=int, default=20_000, help="files to ingest a second time")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(chosen.folder.rglob("*.mid"))
    files = random.Random(0).sample(files, min(chosen.files, len(files)))
    with tempfile.TemporaryDirectory() as name:
        for number, path in enumerate(files):
            copy(path, Path(name, f"{number}.mid"))
        rounds = [(*ours(Path(name)), theirs(files)) for _ in range(chosen.rounds)]
    mine, _, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    used = memory()
    with tempfile.TemporaryDirectory() as name:
        many(files, chosen.again, Path(name))
        _, again = ours(Path(name))
    rows: list[dict[str, Any]] = [
        {"run": run, "files": count, "files/s/core": round(count / seconds, 1), "ratio": ratio}
        for run, count, seconds, ratio in (
            ("pretty_midi, parsing only", len(files), other, 1),
            ("musictk ingest", len(files), mine, round(other / mine, 1)),
            ("musictk ingest, again, nothing changed", chosen.again, again, ""),
        )
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    kept = f"at most {used} MiB for {len(files)} files, {memory()} MiB for {chosen.again}"
    print(kept)
    if chosen.save:
        note = f"every process counted, medians over {chosen.rounds} interleaved rounds; {kept}"
        flags = f"FOLDER --files {len(files)} --again {chosen.again}"
        keep("ingest", "Ingest", flags, rows, note)


if __name__ == "__main__":
    main()
