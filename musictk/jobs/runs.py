"""What a run leaves in the catalog, however it ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musictk.catalog import Catalog, Run
from musictk.errors import MusictkError
from musictk.training.directory import LockedError, is_locked, lock, resumable
from musictk.workspace import Workspace

if TYPE_CHECKING:
    from musictk.training.outcome import Outcome

FIGURES = ("step", "best_step", "best_nll", "baseline", "by_position", "skipped", "seconds")


def status_of(workspace: Workspace, run: Run) -> str:
    """A run's status. One that is marked `running` may have been killed. Free of torch."""
    directory = workspace.runs / run.name
    return run.status if run.status != "running" or is_locked(directory) else _cut_short(directory)


def close_abandoned(catalog: Catalog, workspace: Workspace) -> None:
    """Close the runs whose process was killed: interrupted if it can be resumed, else failed."""
    from musictk.training import checkpoint

    for run in catalog.runs("running"):
        directory = workspace.runs / run.name
        with suppress(LockedError), ExitStack() as stack:
            if directory.is_dir():
                stack.enter_context(lock(directory))
                checkpoint.clean(directory)
            if catalog.run(run.name).status == "running":  # still, now that it cannot change
                close(catalog, workspace, run.name, _cut_short(directory))


def close(catalog: Catalog, workspace: Workspace, name: str, status: str) -> None:
    """Close a run that did not come to its own end, with the checkpoints that it wrote."""
    from musictk.training import checkpoint
    from musictk.training.progress import Progress

    metrics: dict[str, Any] = {"ended": status}
    directory = workspace.runs / name
    if resumable(directory):
        with suppress(MusictkError, OSError, KeyError):  # a broken checkpoint is not kept
            progress = Progress.read(checkpoint.stored(directory)["progress"])
            metrics |= {key: getattr(progress, key) for key in FIGURES}
            metrics["positions_per_second"] = progress.positions / max(progress.seconds, 1e-9)
            steps = {"best": progress.best_step, "last": progress.step}
            metrics["parameters"] = add_checkpoints(catalog, workspace, name, steps, metrics)
    catalog.finish_run(name, status, metrics)


def keep(catalog: Catalog, workspace: Workspace, name: str, count: int, outcome: Outcome) -> None:
    """Close a run that came to its end; `count` is how many parameters it trained.

    Of one that diverged only the best is kept, where one was scored: the last may be broken too.
    """
    metrics: dict[str, Any] = {
        **{key: getattr(outcome, key) for key in FIGURES},
        "positions_per_second": outcome.positions_per_second,
        "peak_bytes": outcome.peak_bytes,
        "parameters": count,
        "ended": outcome.ended,
    }
    steps = {"best": outcome.best_step, "last": outcome.step}
    if outcome.diverged:
        metrics["why"] = outcome.why
        catalog.drop_checkpoints(name)
        steps = {"best": outcome.best_step} if outcome.best_nll is not None else {}
    metrics["parameters"] = add_checkpoints(catalog, workspace, name, steps, metrics) or count
    status = outcome.ended if outcome.interrupted or outcome.diverged else "finished"
    catalog.finish_run(name, status, metrics)


def add_checkpoints(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    steps: Mapping[str, int],
    metrics: Mapping[str, Any],
) -> int:
    """Note the bundles that are there; how many parameters they have, adapters merged."""
    from musictk.model import bundle
    from musictk.model.cost import parameters

    count = 0
    for kind, step in steps.items():
        path = workspace.runs / name / kind
        if (path / "manifest.json").is_file():
            network = bundle.read(path)[0]
            count = parameters(network)
            digest = bundle.weights_digest(network)
            values = {**metrics, "parameters": count}
            catalog.add_checkpoint(name, kind, step, workspace.relative(path), digest, values)
    return count


def _cut_short(directory: Path) -> str:
    """The status of a run whose process is gone."""
    return "interrupted" if resumable(directory) else "failed"
