"""The training loop."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import torch

from musictk.errors import MusictkError, UsageError
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens.crops import Crops
from musictk.training import checkpoint
from musictk.training.directory import hold, resumable
from musictk.training.distributed import join
from musictk.training.feed import Feed
from musictk.training.log import Log
from musictk.training.meter import Meter
from musictk.training.outcome import Outcome, Quiet, TrainListener
from musictk.training.settings import TrainSettings
from musictk.training.stop import Stop
from musictk.training.trainer import Trainer


def train(
    settings: TrainSettings,
    network: Network,
    manifest: Manifest,
    train: Crops,
    valid: Crops,
    directory: Path,
    listener: TrainListener | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    held: bool = False,
) -> Outcome:
    """Train `network` in place, leaving bundles in `directory`/best and `directory`/last.

    Deterministic on one kind of machine: whatever stops it, resuming ends with the same weights.
    Ctrl-C finishes the step, writes a checkpoint and returns an interrupted Outcome. A run that
    diverges ends early, and keeps the checkpoints it has. Weights that were trained before
    (`manifest.trained["from"]`) are scored first, and stay the best until some are better. Under
    torchrun every process calls this alike. Raises UsageError for settings that cannot work
    together, HeldError where another process trains in `directory`; `held` says that the caller has
    locked it (`musictk.training.directory`).
    """
    _check_data(manifest, train, valid)
    with ExitStack() as stack:
        world = stack.enter_context(join(device, settings.precision.parallel))
        world.check(settings)

        def enter() -> str:
            if not held:
                stack.enter_context(hold(directory))
            _check(settings, network, directory, resume)
            checkpoint.clean(directory)
            return "entered"

        world.run_on_main(enter)
        stop = stack.enter_context(Stop())
        trainer = Trainer(settings, network, manifest, world, directory, listener or Quiet())
        if resume:
            trainer.load()
        trainer.prepare(train, valid)
        feed = stack.enter_context(Feed(train, settings, world.slice(settings.loop.batch)))
        if world.is_main:
            tensorboard = settings.loop.tensorboard
            trainer.log = stack.enter_context(Log(directory, trainer.progress.step, tensorboard))
        return _run(trainer, feed, stop)


def _run(trainer: Trainer, feed: Feed, stop: Stop) -> Outcome:
    """Step until the steps, the patience or the user is at an end, or the run has diverged."""
    loop, progress = trainer.settings.loop, trainer.progress
    meter = Meter(trainer.world)
    trainer.score_start()
    stopping = False
    while not (trainer.final() or trainer.spent() or trainer.diverged() or stopping):
        began = time.perf_counter()
        data = feed[progress.step]
        nats, norm = trainer.take(data)
        seconds = time.perf_counter() - began
        progress.count(data.positions, seconds)
        meter.add(nats, data.positions, seconds)
        if trainer.final() or progress.step % loop.log_every == 0:
            trainer.report(meter, norm)
        better = False
        if trainer.final() or progress.step % loop.evaluate_every == 0:
            better = trainer.evaluate()
        stopping = trainer.world.any(stop.asked)
        if trainer.diverged():
            break  # what was saved before is better than what there is now
        due = progress.step % loop.checkpoint_every == 0 and not progress.skipped_in_row
        if better or due or trainer.final() or trainer.spent() or stopping:
            trainer.save(better)
    return trainer.outcome()


def _check(settings: TrainSettings, network: Network, directory: Path, resume: bool) -> None:
    longest = network.body.max_length
    if settings.loop.length > longest:
        raise UsageError(
            f"length={settings.loop.length} is more than this network's {longest} positions",
            f"choose at most {longest}",
        )
    if resume and not resumable(directory):
        raise MusictkError(f"{directory} holds no checkpoint to resume from", "train it anew")
    if not resume and resumable(directory):
        raise UsageError(
            f"{directory} already holds a run", "resume it, or choose another directory"
        )


def _check_data(manifest: Manifest, *splits: Crops) -> None:
    for crops in splits:
        made_by = crops.shard.fingerprint
        if len(crops.shard.files) and made_by != manifest.tokenizer_fingerprint:
            raise UsageError(
                f"shard {crops.shard.path} was not made by this network's tokenizer",
                f"use {manifest.tokenizer!r} with the settings in its manifest",
            )
