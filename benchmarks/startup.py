"""How long a light command takes before it says anything, in CPU time.

    python -m benchmarks.startup [--rounds 9] [--save]

Runs are interleaved, so that a busy machine is busy for all of them alike; medians are reported.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.keep import keep

PROGRAM = str(Path(sys.executable).with_name("musictk"))
CASES = {
    "python, nothing imported": [sys.executable, "-c", "pass"],
    "musictk --help": [PROGRAM, "--help"],
    "musictk plugins": [PROGRAM, "plugins"],
    "musictk train --help": [PROGRAM, "train", "--help"],
    "import miditok": [sys.executable, "-c", "import miditok"],
    "import torch": [sys.executable, "-c", "import torch"],
    "import miditok, torch": [sys.executable, "-c", "import miditok, torch"],
}


SAMPLE = "musictk sample --runtime onnx --bars 8"  # gpt small, untrained


def export(directory: Path) -> list[str]:
    """Export a model into `directory`; the command that samples from it."""
    from musictk.config import plain
    from musictk.export import export_onnx
    from musictk.model.sizes import config_for
    from musictk.plugin import registry
    from musictk.testing.exports import write_untrained
    from musictk_remi.config import RemiConfig
    from musictk_remi.tokenizer import Remi

    config = config_for(registry().load("architecture", "gpt"), "small", {"max_length": 2048})
    write_untrained(directory / "source", "gpt", Remi(RemiConfig()), **plain(config))
    export_onnx(directory / "source", directory / "export")
    flags = ["--bundle", str(directory / "export"), "--runtime", "onnx", "--bars", "8"]
    piece = str(directory / "piece.mid")
    return [PROGRAM, "sample", *flags, "--seed", "1", "--output", piece]


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(cases: dict[str, list[str]], rounds: int) -> list[dict[str, Any]]:
    """Median and range of each case; the first round, which fills the caches, is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, command in cases.items():
            seconds = cpu_seconds(command)
            if turn:
                taken[name].append(seconds)
    return [
        {
            "run": name,
            "CPU seconds (median)": round(statistics.median(values), 3),
            "least": round(min(values), 3),
            "most": round(max(values), 3),
        }
        for name, values in taken.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = measure({**CASES, SAMPLE: export(Path(place))}, arguments.rounds)
    for row in rows:
        print(f"{row['run']:42} {row['CPU seconds (median)']:.3f} s")
    if arguments.save:
        keep("startup", "Start-up", "", rows, f"medians over {arguments.rounds} interleaved runs")


if __name__ == "__main__":
    main()
