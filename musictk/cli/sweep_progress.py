"""Progress of sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from musictk.catalog import Catalog
from musictk.cli.train_progress import TrainingBar
from musictk.jobs.sweep import Status, SweepResult, SweepRun, status
from musictk.workspace import Workspace

_ACTION = {
    "new": "training",
    "interrupted": "resuming",
    "failed": "training again after a failure",
    "finished": "finished before, skipped",
    "diverged": "diverged before, skipped",
    "locked": "another process is training it, skipped",
}


class SweepBar(TrainingBar):
    """The progress of each run, and a line before and after it."""

    def next_run(self, number: int, total: int, run: SweepRun, status: Status) -> None:
        self._output.note(f"run {number} of {total}: {run.name}: {_ACTION[status]}")

    def run_ended(self, result: SweepResult) -> None:
        if result.skipped:
            return
        why = f": {result.why}" if result.why else ""
        line = f"{result.run.name} {result.status}{why}"
        if why:
            self._output.warn(line)
        else:
            self._output.note(line)


def counts(catalog: Catalog, workspace: Workspace, runs: Sequence[SweepRun]) -> str:
    """`3 new, 1 finished`."""
    found = Counter(status(catalog, workspace, run) for run in runs)
    return ", ".join(f"{number} {name}" for name, number in found.items())
