"""Store in the catalog how a run ended, and its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from musictk.catalog import Catalog, Run
from musictk.errors import MusictkError
from musictk.jobs.run_facts import RunMetrics
from musictk.training.directory import is_locked, lock, resumable
from musictk.workspace import Workspace

if TYPE_CHECKING:
    from musictk.training.outcome import Outcome


def status_of(workspace: Workspace, run: Run) -> str:
    """The current status of a run: one that is stored as `running` may have been killed.

    Free of torch.
    """
    directory = workspace.runs / run.name
    if run.status != "running" or is_locked(directory):
        return run.status
    return _abandoned_status(directory)


def close_abandoned(catalog: Catalog, workspace: Workspace) -> None:
    """Close the runs whose process was killed: interrupted if it can be resumed, else failed."""
    from musictk.training import checkpoint

    for run in catalog.runs("running"):
        directory = workspace.runs / run.name
        with ExitStack() as stack:
            if directory.is_dir():
                try:
                    stack.enter_context(lock(directory))
                except MusictkError:  # it is being trained, or it is another user's
                    continue
                checkpoint.clean(directory)
            if catalog.run(run.name).status == "running":  # still, now that it cannot change
                close(catalog, workspace, run.name, _abandoned_status(directory))


def close(catalog: Catalog, workspace: Workspace, name: str, status: str) -> None:
    """Set the final status of a run that did not finish, and add its checkpoints."""
    from musictk.training import checkpoint
    from musictk.training.progress import Progress

    metrics = RunMetrics(ended=status)
    directory = workspace.runs / name
    if resumable(directory):
        with suppress(MusictkError, OSError, KeyError):  # a damaged checkpoint is not stored
            progress = Progress.read(checkpoint.stored(directory)["progress"])
            metrics = RunMetrics.of_progress(progress, status)
            steps = {"best": progress.best_step, "last": progress.step}
            metrics = add_checkpoints(catalog, workspace, name, steps, metrics)
    catalog.finish_run(name, status, metrics.plain())


def keep(
    catalog: Catalog, workspace: Workspace, name: str, parameters: int, outcome: Outcome
) -> None:
    """Set the final status of a run whose training loop returned, which trained `parameters`.

    If it diverged only its best checkpoint is kept, if any: the last one may be broken too.
    """
    metrics = RunMetrics.of_outcome(outcome, parameters)
    steps = {"best": outcome.best_step, "last": outcome.step}
    if outcome.diverged:
        catalog.drop_checkpoints(name)
        steps = {"best": outcome.best_step} if outcome.best_nll is not None else {}
    metrics = add_checkpoints(catalog, workspace, name, steps, metrics)
    status = outcome.ended if outcome.interrupted or outcome.diverged else "finished"
    replanned = [list(pair) for pair in outcome.replanned]
    catalog.finish_run(
        name, status, metrics.plain(), {"replanned": replanned} if replanned else None
    )


def add_checkpoints(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    steps: Mapping[str, int],
    metrics: RunMetrics,
) -> RunMetrics:
    """Add the bundles of these kinds that exist; the metrics with their number of parameters."""
    from musictk.model import bundle
    from musictk.model.cost import parameters

    for kind, step in steps.items():
        path = workspace.runs / name / kind
        if (path / "manifest.json").is_file():
            network = bundle.read(path)[0]
            metrics = replace(metrics, parameters=parameters(network))
            digest = bundle.weights_digest(network)
            relative = workspace.relative(path)
            catalog.add_checkpoint(name, kind, step, relative, digest, metrics.plain())
    return metrics


def _abandoned_status(directory: Path) -> str:
    """The status of a run whose process has ended."""
    return "interrupted" if resumable(directory) else "failed"
