"""Every architecture on the JSB Chorales: equal data, steps, optimizer and width, several seeds.

    python -m benchmarks.jsb.compare Jsb16thSeparated.json [--seeds 3] [--steps 500] [--save [NAME]]

`relative` stands beside its vanilla twin, which has sinusoidal absolute positions instead and is
otherwise the same network: what relative attention alone is worth. Scored as `benchmarks.jsb.train`
scores. The table is written after every run, so that a stopped one keeps what it has.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.jsb.chorales import load
from benchmarks.jsb.train import SPLITS, run
from benchmarks.keep import keep

SHARED = {
    **{"dim": 128, "depth": 4, "heads": 4, "max_length": 512, "dropout": 0},
    **{"batch": 8, "length": 256, "precision": "bf16", "optimizer": "muon", "lr": 5e-3},
    **{"weight_decay": 0.1, "warmup": 0.05, "final": 0.0, "evaluate_every": 100_000},
    **{"checkpoint_every": 100_000, "log_every": 100, "tensorboard": False},
}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "relative": ("relative", {"distances": 256}),
    "vanilla twin of relative": ("relative", {"relative": False}),
    "gpt": ("gpt", {}),
    "gpt, all options": ("gpt", dict.fromkeys(("rotary", "rmsnorm", "swiglu", "qk_norm"), True)),
    "roll": ("roll", {}),
    "conformer": ("conformer", {}),
}


def main() -> None:
    """One seed after the other, every architecture in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--save", nargs="?", const="", metavar="NAME")
    flags = parser.parse_args()
    splits = load(flags.data, transpose=5)
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in range(flags.seeds):
        for name in flags.only:
            arch, model = ROWS[name]
            values = SHARED | model | {"steps": flags.steps, "seed": seed}
            results.setdefault(name, []).append(run(arch, values, splits))
            table = [row(name, runs) for name, runs in results.items()]
            print(seed, row(name, results[name]), flush=True)
            if flags.save is not None:
                title = f"JSB Chorales: {flags.steps} steps, nats per token"
                note = (
                    f"equal data, steps and optimizer; mean of {seed + 1} seeds, ± half their range"
                )
                only = "" if flags.only == list(ROWS) else f"--only {shlex.join(flags.only)}"
                said = f"FILE --steps {flags.steps} {only}"
                keep("jsb.compare", title, said, table, note, flags.save or None)


def row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds, and half of the range they span."""
    figures: dict[str, Any] = {"architecture": name, "parameters": runs[0]["parameters"]}
    figures["seeds"] = len(runs)
    figures["cpu_seconds"] = round(mean(each["cpu_seconds"] for each in runs))
    for split in SPLITS:
        nats = [each[split]["token_mean"] for each in runs]
        figures[split] = f"{mean(nats):.3f} ± {(max(nats) - min(nats)) / 2:.3f}"
    return figures


if __name__ == "__main__":
    main()
