"""The training loop."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import torch

from musictk.errors import MusictkError, UsageError
from musictk.training import checkpoint
from musictk.training.directory import lock, resumable
from musictk.training.distributed import join
from musictk.training.feed import Feed
from musictk.training.log import Log
from musictk.training.meter import Meter
from musictk.training.outcome import Outcome, SilentListener, TrainListener
from musictk.training.pace import Pace, Pacer
from musictk.training.precision import resolve
from musictk.training.process import repeating_work
from musictk.training.settings import TrainSettings
from musictk.training.stop import Stop
from musictk.training.task import Task
from musictk.training.threads import use_threads
from musictk.training.trainer import Trainer


def train(
    task: Task,
    settings: TrainSettings,
    directory: Path,
    listener: TrainListener | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    locked: bool = False,
    deadline: float | None = None,
    pace: Pace | None = None,
) -> Outcome:
    """Train `task.network` in place, leaving bundles in `directory`/best and `directory`/last.

    Deterministic on one kind of machine with one number of threads: a run that was interrupted and
    resumed, even several times, ends with the same weights as one that was not. Ctrl-C finishes the
    step, writes a checkpoint and returns an interrupted Outcome. A run that diverges ends early and
    keeps the checkpoints it has. Fine-tuning (`manifest.trained["from"]`) first scores the weights
    it starts from; they are the best until others are better. Under torchrun every process calls
    this with equal arguments, and only the first reports to its `listener`.

    With a `deadline`, a value of `time.monotonic()`, the number of steps changes with the speed so
    that the run ends then; `settings` then gives the first plan. A resumed run keeps the plan of
    its checkpoint. `pace` is what the parts of the run are expected to take.

    `locked` means that the caller has locked the directory (`musictk.training.directory`). Raises
    UsageError for settings that do not fit together, LockedError where another process trains in
    `directory`.
    """
    task.check(settings)
    with ExitStack() as stack:
        world = stack.enter_context(join(device, settings.precision.parallel))
        world.check(settings)
        if not resume:  # a resumed run keeps what it began with
            settings = resolve(settings, world.device)

        def enter() -> str:
            if not locked:
                stack.enter_context(lock(directory))
            _check_directory(directory, resume)
            checkpoint.clean(directory)
            return "entered"

        world.run_on_main(enter)
        stack.enter_context(use_threads(settings.precision.threads))
        stop = stack.enter_context(Stop())
        pacer = Pacer(None if resume else deadline, pace)
        if listener is None or not world.is_main:
            listener = SilentListener()
        trainer = Trainer(task, settings, world, directory, listener, pacer)
        if resume:
            trainer.load()
        trainer.prepare()
        feed = stack.enter_context(Feed(task, settings, world.local_rows(settings.loop.batch)))
        if world.is_main:
            tensorboard = settings.loop.tensorboard
            trainer.log = stack.enter_context(Log(directory, trainer.progress.step, tensorboard))
        stack.enter_context(repeating_work())
        return _run(trainer, feed, stop)


def _run(trainer: Trainer, feed: Feed, stop: Stop) -> Outcome:
    """Step until all steps are done, patience is exhausted, the run diverges, or it is stopped."""
    loop, progress = trainer.settings.loop, trainer.progress
    meter = Meter(trainer.world)
    trainer.score_start()
    stopping = False
    while not (trainer.finished() or trainer.stale() or trainer.diverged() or stopping):
        began = time.perf_counter()
        data = feed[progress.step]
        cost, norm = trainer.step(data)
        seconds = time.perf_counter() - began
        progress.count(data.count, seconds)
        meter.add(cost, data.count, seconds)
        trainer.pacer.stepped(seconds, progress.step)
        if trainer.finished() or progress.step % loop.log_every == 0:
            trainer.report(meter, norm)
        better = False
        if trainer.finished() or progress.step % loop.evaluate_every == 0:
            began = time.perf_counter()
            better = trainer.evaluate()
            trainer.pacer.evaluated(time.perf_counter() - began)
        stopping = trainer.world.any(stop.requested)
        if trainer.diverged():
            break  # the checkpoints written before are better than the current weights
        due = progress.step % loop.checkpoint_every == 0 and not progress.skipped_in_row
        if better or due or trainer.finished() or trainer.stale() or stopping:
            began = time.perf_counter()
            trainer.save(better)
            trainer.pacer.saved(time.perf_counter() - began)
        trainer.replan()
    return trainer.outcome()


def _check_directory(directory: Path, resume: bool) -> None:
    if resume and not resumable(directory):
        raise MusictkError(
            f"{directory} has no checkpoint to resume from", "train it from the start"
        )
    if not resume and resumable(directory):
        raise UsageError(
            f"{directory} already contains a run", "resume it, or choose another directory"
        )
