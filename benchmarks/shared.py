"""Training and sampling beside busy processes: how much of their fair share of the CPU they keep.

    python -m benchmarks.shared [--seconds 4] [--rounds 5] [--save]

Each round measures the work with one thread and no busy processes, then with the row's threads
beside two busy processes per core. The machine need not be idle otherwise:

    fair CPU seconds = threads x mean CPU seconds of a busy process, per second of wall time
    fair speed       = steps per CPU second of one thread, without busy processes
                       x fair CPU seconds
    share            = steps per second beside the busy processes / fair speed

A busy process never waits, so what it gets is what a fair scheduler has for a thread that never
waits either; other load on the machine takes from both. Steps per CPU second hardly depend on other
load. On an otherwise idle machine, fair CPU seconds are cores x threads / (threads + busy
processes). Medians of the rounds. Threads that wait for each other, spin, or parallelise badly
lower the share; 1 is the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.keep import keep
from musictk.threads import PASSIVE

BUSY = 2  # processes per core


def measured(work: str, threads: int, flags: argparse.Namespace) -> dict[str, float]:
    """The medians of what a process with this work reports; see `benchmarks.shared_work`."""
    given = [work, str(threads), str(flags.seconds), str(flags.rounds), str(BUSY * cores())]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.shared_work", *given],
        env={**kept, **PASSIVE},  # as the command line sets them
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def measure(flags: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for each kind of work and number of threads; 0 lets musictk choose it."""
    for work, threads in (("training", 0), ("training", cores()), ("sampling", 1)):
        found = measured(work, threads, flags)
        used = int(found["threads"])
        yield {
            "work": f"{work}, {used} thread{'s' * (used > 1)}" + ", as chosen" * (not threads),
            "of its fair share": f"{found['share']:.2f}",
            "CPU time of its fair share": f"{found['cpu share']:.2f}",
            "work per CPU second, beside / alone": f"{found['efficiency']:.2f}",
            "fair steps/s": f"{found['fair']:.2f}",
            "steps/s": f"{found['speed']:.2f}",
        }


def main() -> None:
    """Measure, print and perhaps keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    flags = parser.parse_args()
    rows = []
    for row in measure(flags):
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if flags.save:
        title = f"Beside {BUSY} busy processes per core"
        note = (
            f"gpt tiny: training in the precision of the machine, 4 x 256 tokens; sampling with"
            f" ONNX Runtime, one token a step; {cores()} cores, with other load"
        )
        keep("shared", title, f"--seconds {flags.seconds:g} --rounds {flags.rounds}", rows, note)


if __name__ == "__main__":
    main()
