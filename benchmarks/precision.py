"""Validation loss in bf16 beside fp32, over seeds, on the music in examples/midis.

    python -m benchmarks.precision [--arch gpt,conformer] [--seeds 0,1,2] [--steps 300] [--save]

Both runs of a seed start from the same weights and get the same batches; they differ in their
precision alone. The difference that a precision makes is set beside the spread that seeds make.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from musictk.jobs.project import Project

MIDIS = Path(__file__).parents[1] / "examples" / "midis"
PRECISIONS = ("fp32", "bf16")


def trained(project: Project, arch: str, precision: str, seed: int, steps: int) -> dict[str, float]:
    """The best valid loss of one run, and its CPU seconds."""
    start = time.process_time()
    result = project.train(
        arch=arch, size="tiny", precision=precision, seed=seed, steps=steps, patience=0
    )
    nll = result.outcome.best_nll
    assert nll is not None
    return {"nll": nll, "seconds": time.process_time() - start}


def row(arch: str, runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The losses of one architecture, by precision."""
    losses = {name: [each["nll"] for each in of] for name, of in runs.items()}
    seconds = {name: statistics.median(each["seconds"] for each in of) for name, of in runs.items()}
    means = {name: statistics.mean(of) for name, of in losses.items()}
    pairs = [b - a for a, b in zip(losses["fp32"], losses["bf16"], strict=True)]
    spread = statistics.stdev(losses["fp32"])
    return {
        "arch": arch,
        **{f"{name} nats": f"{means[name]:.4f}" for name in PRECISIONS},
        "mean difference": f"{statistics.mean(pairs):+.4f}",
        "largest difference of a seed": f"{max(pairs, key=abs):+.4f}",
        "deviation between seeds (fp32)": f"{spread:.4f}",
        "bf16 takes": f"{seconds['bf16'] / seconds['fp32']:.2f} × the CPU time",
    }


def main() -> None:
    """Measure, print and perhaps keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="gpt,conformer")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--save", nargs="?", const="", metavar="NAME", help="keep the table")
    flags = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, Project(folder) as project:
        project.ingest(MIDIS)
        for arch in flags.arch.split(","):
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in PRECISIONS}
            for seed in map(int, flags.seeds.split(",")):
                for name in PRECISIONS:
                    runs[name].append(trained(project, arch, name, seed, flags.steps))
                    print(arch, name, seed, runs[name][-1], flush=True)
            rows.append(row(arch, runs))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if flags.save is not None:
        title = "Best valid loss in bf16 and fp32"
        note = f"tiny, {flags.steps} steps, seeds {flags.seeds}; nats per token"
        said = f"--arch {flags.arch} --seeds {flags.seeds} --steps {flags.steps}"
        keep("precision", title, said, rows, note, flags.save or None)


if __name__ == "__main__":
    main()
