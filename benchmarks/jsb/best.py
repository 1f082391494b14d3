"""The best known settings on the JSB Chorales, over several seeds.

    python -m benchmarks.jsb.best Jsb16thSeparated.json --runs DIRECTORY [--seeds 0 1 2] [--save]

Scored as `benchmarks.jsb.train` scores: the last network, without averaging over networks or keys.
Each finished seed is kept in DIRECTORY and not trained again: a stopped command continues at the
last checkpoint of its seed, and seeds trained by several commands make one table, which is written
after each seed. With OMP_NUM_THREADS=1, CPU seconds are those of one core.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.jsb.chorales import load
from benchmarks.jsb.train import SPLITS, parse, run
from benchmarks.keep import keep
from musictk.files import read_json, write_json

TRANSPOSE = 7  # as far as the corpus's range allows
REORDER = 0.5  # of the windows of training
MODEL: dict[str, Any] = {
    **{"dim": 192, "depth": 4, "heads": 6, "max_length": 1024},
    **dict.fromkeys(("rotary", "rmsnorm", "swiglu", "qk_norm", "value_residual"), True),
    **{"history": 16, "periods": (4, 16, 64), "dropout": 0.15, "attention_dropout": False},
}
SETTINGS: dict[str, Any] = {
    **{"steps": 12_000, "batch": 8, "length": 256, "precision": "bf16"},
    **{
        "optimizer": "muon",
        "muon_steps": 3,
        "lr": 5e-3,
        "weight_decay": 0.2,
        "warmup": 0.05,
        "final": 0.0,
        **{"schedule": "wsd", "decay": 0.4, "averaging": 0.05},
    },
    **{"evaluate_every": 1000, "evaluate_batches": 16, "checkpoint_every": 1000},
    **{"log_every": 100, "tensorboard": False},
}
NOTE = (
    f"training is transposed by up to {TRANSPOSE} semitones, and {REORDER:.0%} of its windows have "
    "the voices in another order; Music Transformer: 0.335 on valid. TonicNet's 0.220 is given the "
    "true chord of each step, so it is not comparable"
)


def main() -> None:
    """One seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="where finished seeds are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--save", nargs="?", const="", metavar="NAME")
    flags = parser.parse_args()
    flags.runs.mkdir(parents=True, exist_ok=True)
    values = MODEL | SETTINGS | parse(flags.set)
    runs: list[dict[str, Any]] = []
    for seed in flags.seeds:
        runs.append(finished(flags.data, flags.runs / f"seed-{seed}.json", values | {"seed": seed}))
        print(table(runs)[-1], flush=True)
        if flags.save is not None:
            said = "FILE --runs DIRECTORY"
            if flags.set:
                said += f" --set {shlex.join(flags.set)}"
            title = "JSB Chorales: the best settings, nats per token (16th grid, SATB)"
            keep("jsb.best", title, said, table(runs), NOTE, flags.save or None)


def finished(data: Path, file: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The figures of one run: those in `file`, or of a run that is made now."""
    if not file.exists():
        write_json(file, run("gpt", values, load(data, TRANSPOSE, REORDER), file.with_suffix("")))
    result: dict[str, Any] = read_json(file)
    if result["set"] != json.loads(json.dumps(values)):
        raise SystemExit(f"{file} was made with other settings: give another --runs")
    return result


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each seed, and one for their mean."""
    rows = [
        {
            "seed": str(run["set"]["seed"]),
            "parameters": run["parameters"],
            "tokens_seen": run["tokens_seen"],
            "cpu_seconds": round(run["cpu_seconds"]),
            **{split: run[split]["token_mean"] for split in SPLITS},
        }
        for run in runs
    ]
    figures = ("cpu_seconds", *SPLITS)
    digits = {"cpu_seconds": 0}
    means = {key: round(mean(row[key] for row in rows), digits.get(key, 4)) for key in figures}
    return [*rows, rows[0] | {"seed": f"mean of {len(rows)}"} | means]


if __name__ == "__main__":
    main()
