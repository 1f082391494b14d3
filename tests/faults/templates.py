"""Workspaces that the commands of the walk begin in, each as small as it can be."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from musictk.catalog import Catalog
from musictk.jobs.merge import merge
from musictk.jobs.sources import Source
from musictk.jobs.train import run
from musictk.training.outcome import Report
from musictk.workspace import Workspace
from tests.jobs.conftest import Listener
from tests.rendering.test_audio import tiny_soundfont

EXAMPLES = Path(__file__).parents[2] / "examples" / "midis" / "Bach"
SETTINGS = {
    "model.dim": 16,
    "model.depth": 1,
    "model.heads": 2,
    "model.max_length": 256,
    "batch": 2,
    "length": 32,
    "evaluate_batches": 1,
    "evaluate_every": 2,
    "checkpoint_every": 1,
    "log_every": 1,
}
TRAIN = (
    *("train", "--arch", "gpt", "--tokenizer", "events", "--steps", "4", "--seed", "1"),
    *("--device", "cpu"),
    *(part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")),
)


class Stopper(Listener):
    """Asks the run to stop after two steps, as Ctrl-C does."""

    def stepped(self, report: Report) -> None:
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def fresh(folder: Path) -> None:
    """Three pieces, and what render and show are given."""
    (folder / "midis").mkdir(parents=True)
    for path in sorted(EXAMPLES.glob("chorale*.mid")) + sorted(EXAMPLES.glob("musette*.mid")):
        shutil.copy(path, folder / "midis")
    tiny_soundfont(folder / "tiny.sf2")


def stopped(folder: Path) -> None:
    """An ingested workspace gets a run that was stopped at step 2 of 4."""
    groups: dict[str, dict[str, object]] = {"model": {}, "train": {"tensorboard": True}}
    for key, value in SETTINGS.items():
        group, _, name = key.rpartition(".")
        groups[group or "train"][name] = value
    workspace = Workspace(folder)
    groups["train"] |= {"steps": 4, "seed": 1}
    config = merge([Source("template", {"arch": "gpt", "tokenizer": "events", **groups})])
    with Catalog.open(workspace.catalog_url, folder) as catalog:
        run(catalog, workspace, config, Stopper(), "cpu")
