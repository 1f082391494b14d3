"""Which architecture and size learns most in equal time: the built-in models are chosen by this.

    python -m benchmarks.sizes WORKSPACE [--minutes 10] [--models gpt-small …] [--save] [--add]

Each model is trained by `musictk train --scratch --minutes`, on one thread, with what `train`
chooses for it: recipe, number of steps, learning rate. Labels and rows are those of the built-in
models (benchmarks/builtin_model.md). The loss is the best on valid. Nothing else should run
meanwhile. The runs are removed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from benchmarks.speedrun import kept
from musictk.catalog import Catalog
from musictk.jobs.corpus import Corpus
from musictk.jobs.data import DataSettings
from musictk.model.conditions import Conditions
from musictk.workspace import Workspace

MODELS = (
    "gpt-tiny",
    "gpt-small",
    "gpt-base",
    "conformer-tiny",
    "conformer-small",
    "relative-small",
)
GIVEN = [
    *("--tokenizer", "remi", "--condition", "composer,period,ensemble,kind"),
    *("--set", "train.length=1024", "--set", "train.batch=4", "--set", "train.threads=1"),
    *("--set", "data.transpose=5"),
]


def main() -> None:
    """Train one model after the other; the table is written after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--models", nargs="*", default=list(MODELS), metavar="ARCHITECTURE-SIZE")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--add", action="store_true", help="to the kept rows of other models")
    flags = parser.parse_args()
    per_note = tokens_per_note(flags.workspace)
    rows: list[dict[str, Any]] = []
    for model in flags.models:
        rows.append(trained(flags.workspace, model, flags.minutes, per_note))
        print(rows[-1], flush=True)
        if flags.save:
            save(flags, rows)


def tokens_per_note(path: Path) -> float:
    """Of the music in the valid split."""
    workspace = Workspace(path.absolute())
    with Catalog.open(workspace.catalog_url, workspace.root, create=False) as catalog:
        corpus = Corpus(catalog, workspace)
        tokenizer = corpus.tokenizer("remi", {})
        pieces = corpus.select(tokenizer.reads, "valid")
        crops = corpus.crops(tokenizer, "valid", Conditions(), DataSettings())
        return crops.positions / sum(piece.notes or 0 for piece in pieces)


def trained(workspace: Path, model: str, minutes: float, per_note: float) -> dict[str, Any]:
    """The row of one model."""
    architecture, size = model.split("-")
    name = f"sizes-{model}-{os.getpid()}"  # a run of a command that was killed may be left
    chosen = ["--arch", architecture, "--size", size, "--scratch", "--minutes", f"{minutes:g}"]
    began = seconds()
    call(workspace, "train", "--name", name, *chosen, *GIVEN)
    used = seconds() - began
    metrics = json.loads(call(workspace, "runs", "show", name))["metrics"]
    call(workspace, "runs", "rm", name, "--yes")
    return {
        "run": model.replace("-", " "),
        "parameters": metrics["parameters"],
        "steps": metrics["step"],
        "tokens": metrics["step"] * 4 * 1024,
        "CPU s": round(used),
        "nats per token": round(metrics["best_nll"], 3),
        "nats per note": round(metrics["best_nll"] * per_note, 3),
    }


def call(workspace: Path, *words: str) -> bytes:
    """What a command of musictk prints in a workspace."""
    command = [sys.executable, "-m", "musictk", "--json", *words]
    return subprocess.run(command, cwd=workspace, stdout=subprocess.PIPE, check=True).stdout


def seconds() -> float:
    """CPU seconds of the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def save(flags: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Keep the table."""
    minutes = f"{flags.minutes:g}"
    file = f"sizes.{minutes}"
    rows = kept(file, rows) if flags.add else rows
    note = "one thread each, as `musictk train --scratch --minutes` trains them; one seed"
    title = f"Architectures and sizes after {minutes} minutes: tier A and JS Fakes, valid"
    keep("sizes", title, f"WORKSPACE --minutes {minutes}", rows, note, file, named=False)


if __name__ == "__main__":
    main()
