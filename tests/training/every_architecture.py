"""Under torchrun: every architecture trained whole, cut, and resumed, by every kind of parallelism.

python every_architecture.py DIRECTORY; prints a JSON object a case from each process.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from musictk.tokens import Frames
from musictk.training.adapters import adapt
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import Evaluation, Outcome, Report, SilentListener

SMALL_RUN = Path(__file__).with_name("small_run.py")
REGRESSION = runpy.run_path(str(Path(__file__).with_name("other_tasks.py")))["Regression"]
ARCHITECTURES = ("gpt", "conformer", "relative", "roll")
STEPS = {"steps": 4, "accumulation": 2, "evaluate_every": 2, "checkpoint_every": 2, "log_every": 1}
Case = tuple[str, int, dict[str, Any]]  # architecture, rank of the adapters, settings
HEARD = "heard"  # a line of each process: the events that its listeners received
PLAIN: dict[str, Case] = {
    f"{name}-{kind}": (name, 0, {"parallel": kind})
    for name in ARCHITECTURES
    for kind in ("ddp", "fsdp")
}
CASES: dict[str, Case] = PLAIN | {
    "conformer-ddp-lora": ("conformer", 2, {"parallel": "ddp"}),
    "conformer-fsdp-lora": ("conformer", 2, {"parallel": "fsdp"}),
    "conformer-fsdp-recompute": ("conformer", 0, {"parallel": "fsdp", "recompute": True}),
    "conformer-fsdp-muon": ("conformer", 0, {"parallel": "fsdp", "optimizer": "muon"}),
    "gpt-ddp-averaging": ("gpt", 0, {"parallel": "ddp", "averaging": 0.5}),
    "gpt-fsdp-averaging": ("gpt", 0, {"parallel": "fsdp", "averaging": 0.5}),
    "conformer-fsdp-averaging-lora": ("conformer", 2, {"parallel": "fsdp", "averaging": 0.5}),
    "conformer-fsdp-fp16": ("conformer", 0, {"parallel": "fsdp", "precision": "fp16"}),
    "gpt-ddp-regression": ("gpt", 0, {"parallel": "ddp"}),
    "gpt-fsdp-regression": ("gpt", 0, {"parallel": "fsdp"}),
}


class Recorder(SilentListener):
    """Keeps the kinds of the events that it received."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def stepped(self, report: Report) -> None:
        self.kinds.add("stepped")

    def evaluated(self, evaluation: Evaluation) -> None:
        self.kinds.add("evaluated")

    def saved(self, path: Path) -> None:
        self.kinds.add("saved")


def trained(
    small: SimpleNamespace,
    case: str,
    directory: Path,
    *,
    stop: int = 0,
    resume: bool = False,
    listener: SilentListener | None = None,
) -> Outcome:
    """One run of a case, on as many processes as there are."""
    architecture, rank, values = CASES[case]
    space = Frames(width=128) if architecture == "roll" else small.TOKENS
    # Two streams bring the conformer's scalar parameters.
    body: dict[str, Any] = {"streams": 2} if architecture == "conformer" else {}
    body["depth"] = 2 if case in PLAIN else 1
    network, manifest = small.fresh(space, architecture, dropout=0.0, **body)
    torch.manual_seed(1)
    if rank and not resume:
        adapt(network, rank)
    make = REGRESSION if case.endswith("regression") else LanguageModeling
    task = make(network, manifest, *small.splits(space))
    settings = small.SMALL.but(**STEPS, **values)
    heard = small.Stopper(stop) if stop else listener
    return train(task, settings, directory, heard, resume, "cpu")


def main(directory: Path) -> None:
    """Every case in one launch: starting processes takes longer than training them."""
    torch.set_num_threads(1)
    small = SimpleNamespace(**runpy.run_path(str(SMALL_RUN)))
    dist.init_process_group("gloo")
    recorder = Recorder()
    for case in CASES:
        said: dict[str, Any] = {"case": case}
        try:
            whole = trained(small, case, directory / case / "whole", listener=recorder)
            cut = trained(small, case, directory / case / "cut", stop=3)
            end = trained(small, case, directory / case / "cut", resume=True)
            said |= {"ended": [whole.ended, cut.ended, end.ended], "step": cut.step}
            said |= {"whole": whole.digest, "resumed": end.digest, "skipped": whole.skipped}
        except Exception as error:
            said["error"] = f"{type(error).__name__}: {error}"[:300]
        os.write(1, (json.dumps(said) + "\n").encode())  # one write: lines do not mix
        dist.barrier()
    kinds = {"case": HEARD, "rank": dist.get_rank(), "kinds": sorted(recorder.kinds)}
    os.write(1, (json.dumps(kinds) + "\n").encode())
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
