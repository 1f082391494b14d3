"""Train a model on the catalog's music."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.export import ExportReport
from musictk.files import AGAIN
from musictk.jobs.config import RunConfig
from musictk.jobs.corpus import Corpus
from musictk.jobs.export import export
from musictk.jobs.manage import finish_changes
from musictk.jobs.prepare import (
    Claim,
    Job,
    Prepared,
    RunListener,
    SilentRunListener,
    prepare,
    reopen,
    start,
)
from musictk.jobs.run_facts import RunFacts
from musictk.jobs.run_settings import RunSettings
from musictk.jobs.runs import close, close_abandoned, keep
from musictk.jobs.step_timer import SMALLER
from musictk.jobs.tracking import Tracking, make_trackers
from musictk.model.memory import enough_memory
from musictk.training import checkpoint
from musictk.training.directory import CheckpointError, lock, resumable
from musictk.training.distributed import join
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import Outcome
from musictk.workspace import Workspace

AIM, CLOSING = 0.98, 1.0  # of the given minutes, less a second: the run is closed in the rest


@dataclass(frozen=True)
class RunResult:
    """A run that has ended."""

    run: str
    outcome: Outcome
    facts: RunFacts
    exports: tuple[ExportReport, ...] = ()
    unexported: MusictkError | None = None  # why some of the exports are missing


def run(
    catalog: Catalog,
    workspace: Workspace,
    config: RunConfig,
    listener: RunListener | None = None,
    device: str = "auto",
    name: str | None = None,
    began: float | None = None,
) -> RunResult:
    """Train a new run with these settings (see `musictk.jobs.merge`) and store it in the catalog.

    By default its name is `<architecture>-<number>`. The `minutes` of the settings count from
    `began`, a value of `time.monotonic()`, by default now. Every process under torchrun calls this;
    the first one writes the catalog. Raises UnknownNameError for an unknown name, UsageError for a
    `name` that is taken, and MusictkError for a catalog without music.
    """

    def begin(job: Job, claim: Claim) -> str:
        return start(job, config, claim, name)

    receiver = listener or SilentRunListener()
    return _train(catalog, workspace, begin, receiver, device, resumed=False, began=began)


def resume(
    catalog: Catalog,
    workspace: Workspace,
    name: str | None,
    listener: RunListener | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> RunResult:
    """Resume the run called `name` (by default the newest) from its last checkpoint.

    It ends with the weights that it would have had without the interruption. `threads` replaces the
    stored number, which may change their last bits. Raises UsageError for a run that has finished
    or diverged, LockedError for one that another process is training.
    """

    def begin(job: Job, claim: Claim) -> str:
        return reopen(job, name, claim)

    receiver = listener or SilentRunListener()
    return _train(catalog, workspace, begin, receiver, device, resumed=True, threads=threads)


def _train(
    catalog: Catalog,
    workspace: Workspace,
    begin: Callable[[Job, Claim], str],
    listener: RunListener,
    device: str,
    resumed: bool,
    began: float | None = None,
    threads: int | None = None,
) -> RunResult:
    began = time.monotonic() if began is None else began
    with ExitStack() as stack:
        world = stack.enter_context(join(None if device == "auto" else device, "ddp"))
        job = Job(catalog, workspace, Corpus(catalog, workspace), listener, world, began)

        def claim(name: str) -> None:
            stack.enter_context(lock(workspace.runs / name))

        def first() -> str:
            finish_changes(catalog, workspace)
            close_abandoned(catalog, workspace)
            return begin(job, claim)

        name = world.run_on_main(first)
        directory = workspace.runs / name
        tracking = Tracking(listener, {}, listener.tracker_failed)
        try:
            prepared = prepare(job, name, resumed, threads)
            if world.is_main:
                listener.began(name, prepared.facts)
                tracking = _start_tracking(job, name, prepared, resumed)
            with enough_memory(SMALLER):
                outcome = train(
                    LanguageModeling(
                        prepared.network, prepared.manifest, prepared.train, prepared.valid
                    ),
                    prepared.settings,
                    directory,
                    tracking,
                    resume=resumed,
                    device=world.device,
                    locked=True,
                    deadline=_deadline(prepared.config, began),
                    pace=prepared.pace,
                )
            if world.is_main:
                keep(catalog, workspace, name, prepared.facts.parameters, outcome)
            tracking.finish(outcome.ended)
        except BaseException as error:
            tracking.finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            if world.is_main:
                _close(catalog, workspace, name, error)
            raise
        world.barrier()
    if not world.is_main or outcome.interrupted or outcome.diverged:
        return RunResult(name, outcome, prepared.facts)
    return _export(job, name, prepared, outcome)


def _deadline(config: RunConfig, began: float) -> float | None:
    """When the run has to end, as a value of `time.monotonic()`; None without a given time."""
    if config.minutes is None:
        return None
    return began + AIM * 60 * config.minutes - CLOSING


def _start_tracking(job: Job, name: str, prepared: Prepared, resumed: bool) -> Tracking:
    """The run's trackers, which have begun or continued the run."""
    trackers = make_trackers(prepared.config.track)
    tracking = Tracking(job.listener, trackers, job.listener.tracker_failed)
    directory = job.workspace.runs / name
    if trackers:
        step = int(checkpoint.stored(directory)["progress"]["step"]) if resumed else 0
        settings = RunSettings.of(prepared.config)
        values: dict[str, Any] = {"arch": settings.arch, "tokenizer": prepared.config.tokenizer}
        values |= {"size": settings.size, "seed": settings.seed, **settings.values}
        tracking.start(name, directory, values, step)
    return tracking


def _export(job: Job, name: str, prepared: Prepared, outcome: Outcome) -> RunResult:
    """The result of a finished run, with the exports that succeeded."""
    kinds = prepared.config.export
    exports: list[ExportReport] = []
    unexported = None
    try:
        exports.extend(export(job.catalog, job.workspace, kinds, name, job.listener))
    except MusictkError as error:  # the trained model is complete anyway
        hint = f"fix that, then: musictk export --run {name}"
        unexported = MusictkError(f"{name} is trained but not exported: {error.message}", hint)
    return RunResult(name, outcome, prepared.facts, tuple(exports), unexported)


def _close(catalog: Catalog, workspace: Workspace, name: str, error: BaseException) -> None:
    """Close a run that an error ended; add to the error's hint how to resume it."""
    directory = workspace.runs / name
    saved = resumable(directory)
    interrupted = saved and isinstance(error, KeyboardInterrupt)
    with suppress(MusictkError, OSError):  # on a full disk the next `train` closes it
        close(catalog, workspace, name, "interrupted" if interrupted else "failed")
    if saved and isinstance(error, MusictkError) and not isinstance(error, CheckpointError):
        hint = error.hint.removesuffix(AGAIN) or "fix that"
        error.hint = f"{hint}, then: musictk train --resume {name}"
