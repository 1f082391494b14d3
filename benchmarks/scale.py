"""The commands of the catalog at 10,000, 100,000 and 1,000,000 files.

    python -m benchmarks.scale [--files 10000,100000,1000000] [--folder /tmp/scale] [--save]

Each catalog is made with bulk inserts and deleted at the end (`--keep` keeps it). Every figure is
measured in a fresh process: milliseconds of CPU time within the process once the catalog is open,
the median over `--rounds`, and the growth of its memory. `ingest` adds 1,000 new MIDI files with
one worker and counts the CPU seconds of every process.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from benchmarks.scale_data import build, common_name, sha, write_music
from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, ingest
from musictk.workspace import here

ADDED = 1000
_KNOWN = 4243  # a file in every catalog


def title_of(catalog: Catalog) -> str:
    return str(catalog.show(str(_KNOWN))["title"])


# Each takes the catalog and returns what is timed.
Operation = Callable[[Catalog], Callable[[], Any]]


def _rare(catalog: Catalog) -> Callable[[], Any]:
    words = title_of(catalog).rsplit(" ", 2)
    return lambda: catalog.search(" ".join(words[1:]))


def _by_composer(catalog: Catalog) -> Callable[[], Any]:
    name = common_name(catalog)
    return lambda: catalog.search(name)


def _show_title(catalog: Catalog) -> Callable[[], Any]:
    title = title_of(catalog).upper()
    return lambda: catalog.show(title)


def _show_path(catalog: Catalog) -> Callable[[], Any]:
    path = str(catalog.show(str(_KNOWN))["path"])
    return lambda: catalog.show(path.rsplit("/", 1)[1])


def _composer_page(catalog: Catalog) -> Callable[[], Any]:
    name = common_name(catalog)
    return lambda: catalog.files(composer=name, limit=100)


OPERATIONS: dict[str, Operation] = {
    "search, one file": _rare,
    "search, a composer": _by_composer,
    "search, a common word": lambda catalog: lambda: catalog.search("nocturne"),
    "search, two words": lambda catalog: lambda: catalog.search("nocturne minor"),
    "search, two letters": lambda catalog: lambda: catalog.search("zo"),
    "search, nothing": lambda catalog: lambda: catalog.search("xylophone"),
    "show, by id": lambda catalog: lambda: catalog.show(str(_KNOWN)),
    "show, by title": _show_title,
    "show, by the end of the path": _show_path,
    "show, by hash": lambda catalog: lambda: catalog.show(sha(_KNOWN)[:12]),
    "files, first 100": lambda catalog: lambda: catalog.files(limit=100),
    "files, 100 of a composer": _composer_page,
    "files, 100 of test": lambda catalog: lambda: catalog.files(split="test", limit=100),
    "files, 100 rejected": lambda catalog: lambda: catalog.files(status="rejected", limit=100),
    "files, 100 of a label": lambda catalog: (
        lambda: catalog.files(label=("period", "Modern"), limit=100)
    ),
    "rejected, 100 of a code": lambda catalog: lambda: catalog.rejected("empty", limit=100),
    "summary": lambda catalog: catalog.summary,
    "composers": lambda catalog: catalog.composers,
    "similar composers": lambda catalog: catalog.similar_composers,
    "pieces": lambda catalog: catalog.pieces,
    "digest": lambda catalog: catalog.digest,
}
SLOW = {"pieces", "digest", "composers", "similar composers", "summary"}  # once is enough


def used() -> float:
    """CPU seconds of this process and of the workers it has waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def peak() -> float:
    """The largest resident size of this process, MiB; `ru_maxrss` would begin at the parent's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def measure(name: str, root: Path, rounds: int) -> dict[str, float]:
    """One figure, in this process."""
    with Catalog.open(here(root).catalog_url, root) as catalog:
        if name == "ingest":
            return _ingest(catalog, root)
        operation = OPERATIONS[name](catalog)
        before, spent = peak(), []
        for _ in range(1 if name in SLOW else rounds):
            began = time.process_time()
            found = operation()
            spent.append(time.process_time() - began)
            del found
        return {"ms": 1000 * statistics.median(spent), "MiB": peak() - before}


def _ingest(catalog: Catalog, root: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=root) as name:
        write_music(Path(name), ADDED, seed=time.time_ns())
        before, began = peak(), used()
        ingest(catalog, here(root), [Path(name)], IngestOptions(workers=1))
        return {"ms": 1000 * (used() - began), "MiB": peak() - before}


def command(root: Path, *arguments: str) -> float:
    """CPU milliseconds of a whole command."""
    began = used()
    line = [sys.executable, "-m", "musictk", "--catalog", here(root).catalog_url, *arguments]
    subprocess.run(line, check=True, capture_output=True, cwd=root)
    return 1000 * (used() - began)


def fresh(name: str, root: Path, rounds: int) -> dict[str, float]:
    """One figure, in a process of its own."""
    line = [sys.executable, "-m", "benchmarks.scale", "--one", name, "--folder", str(root)]
    done = subprocess.run(
        [*line, "--rounds", str(rounds)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(files: int, folder: Path, rounds: int, only: Sequence[str]) -> dict[str, dict[str, float]]:
    """Every figure at one size; the catalog is made if it is not there."""
    root = folder / str(files)
    if not root.exists():
        root.mkdir(parents=True)
        began = time.perf_counter()
        with Catalog.open(here(root).catalog_url, root) as catalog:
            build(catalog, files)
        size = here(root).catalog.stat().st_size / 2**20
        print(f"{files:,} files: {size:,.0f} MiB in {time.perf_counter() - began:.0f} s")
    found = {}
    for name in only or (*OPERATIONS, "ingest"):
        found[name] = fresh(name, root, rounds)
        print(f"{files:>9,}  {name:30} " + _line(found[name]), flush=True)
    if not only:
        found["command: search"] = {"ms": command(root, "catalog", "search", "nocturne minor")}
        found["command: summary"] = {"ms": command(root, "catalog", "summary")}
        for name in ("command: search", "command: summary"):
            print(f"{files:>9,}  {name:30} " + _line(found[name]), flush=True)
    return found


def _line(figures: dict[str, float]) -> str:
    return "  ".join(f"{value:,.1f} {unit}" for unit, value in figures.items())


def table(
    now: dict[int, dict[str, dict[str, float]]], before: dict[str, dict[str, dict[str, float]]]
) -> list[dict[str, Any]]:
    """A row per operation: the ratio to before first."""
    rows = []
    for name in now[min(now)]:
        row: dict[str, Any] = {"what": name}
        shared = [files for files in now if str(files) in before and name in before[str(files)]]
        if shared:
            old = before[str(max(shared))][name]["ms"]
            row["ratio"] = round(old / max(now[max(shared)][name]["ms"], 0.1), 1)
            row[f"before, {max(shared):,}"] = _shown(before[str(max(shared))][name])
        for files, figures in now.items():
            row[f"{files:,}"] = _shown(figures[name])
        rows.append(row)
    return rows


def _shown(figures: dict[str, float]) -> str:
    memory = f", {figures['MiB']:,.0f} MiB" if figures.get("MiB", 0) >= 32 else ""
    return f"{figures['ms']:,.1f} ms{memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", default="10000,100000,1000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="operations, separated by ;")
    parser.add_argument("--one", help="measure one operation in the catalog of --folder")
    parser.add_argument("--before", type=Path, help="figures of another version, from --json")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    parser.add_argument("--keep", action="store_true", help="keep the catalogs")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.one, chosen.folder, chosen.rounds)))
        return
    folder = chosen.folder or Path(tempfile.gettempdir()) / "musictk-scale"
    only = [name for name in chosen.only.split(";") if name]
    now: dict[int, dict[str, dict[str, float]]] = {}
    for files in map(int, chosen.files.split(",")):
        now[files] = run(files, folder, chosen.rounds, only)
        if not chosen.keep:
            shutil.rmtree(folder / str(files))
    if chosen.json:
        chosen.json.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
    if chosen.save:
        before = json.loads(chosen.before.read_text("utf-8")) if chosen.before else {}
        note = (
            "CPU milliseconds in the process once the catalog is open; `ingest` adds "
            f"{ADDED:,} files, every process counted; `command` is a whole command, its start too. "
            "Ratio: the version before at the largest size measured of it. Made-up sketches of "
            "128 hashes on average."
        )
        flags = f"--files {chosen.files}"
        keep("scale", "A catalog of up to a million files", flags, table(now, before), note)


if __name__ == "__main__":
    main()
