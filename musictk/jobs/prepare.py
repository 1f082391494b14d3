"""Prepare a training run: its shards, its row in the catalog, and its network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from musictk.catalog import Catalog, Run
from musictk.catalog.runs import NO_RUNS, check_run_name
from musictk.config import build, plain
from musictk.controls import Controls
from musictk.errors import MusictkError, UsageError
from musictk.export import ExportListener
from musictk.files import require_writable_folder
from musictk.generation.constraints import constraints
from musictk.generation.sampling import Sampling
from musictk.ingest.encode import EncodeListener
from musictk.jobs.bundles import best_of
from musictk.jobs.config import RunConfig
from musictk.jobs.corpus import Corpus
from musictk.jobs.data import no_effect
from musictk.jobs.run_facts import RunFacts
from musictk.jobs.seen import count_seen_valid
from musictk.jobs.step_timer import StepTimer
from musictk.jobs.tracking import make_trackers
from musictk.model import bundle
from musictk.model.cost import parameters
from musictk.model.manifest import Manifest
from musictk.model.network import Network, NetworkConfig
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.tokens import Tokenizer, Tokens
from musictk.tokens.crops import VERSION, Crops
from musictk.tokens.cuts import cut
from musictk.training import checkpoint
from musictk.training.directory import LOCK, resumable
from musictk.training.distributed import World
from musictk.training.language import LanguageModeling
from musictk.training.outcome import SilentListener, TrainListener
from musictk.training.pace import Pace
from musictk.training.precision import slow
from musictk.training.progress import Progress, lower_rate, stored_settings
from musictk.training.settings import TrainSettings
from musictk.workspace import Workspace

TRAINING_SPLITS = ("train", "valid")  # the splits that a run uses
Claim = Callable[[str], None]  # locks the directory of a run


class RunListener(TrainListener, EncodeListener, ExportListener, Protocol):
    """Receives the progress of a run, from the first shard to the last export."""

    def measuring(self) -> None:
        """Before some steps are timed, to choose the length of the run."""

    def began(self, run: str, facts: RunFacts) -> None:
        """Before the first step of `run`."""

    def tracker_failed(self, tracker: str, why: str) -> None:
        """An error of a tracker; the run continues without it."""


class SilentRunListener(SilentListener):
    """Ignores every event; a base class for listeners that need only some."""

    def tokenized(self, done: int, total: int) -> None: ...

    def measuring(self) -> None: ...

    def began(self, run: str, facts: RunFacts) -> None: ...

    def tracker_failed(self, tracker: str, why: str) -> None: ...

    def stage(self, name: str) -> None: ...


@dataclass(frozen=True)
class Job:
    """The context of a training command."""

    catalog: Catalog
    workspace: Workspace
    corpus: Corpus
    listener: RunListener
    world: World
    began: float = field(default_factory=time.monotonic)  # of the command


@dataclass(frozen=True)
class Prepared:
    """The inputs of the training loop, and facts about them."""

    config: RunConfig
    settings: TrainSettings
    network: Network
    manifest: Manifest
    train: Crops
    valid: Crops
    facts: RunFacts
    pace: Pace | None  # that the run is expected to have


def start(job: Job, config: RunConfig, claim: Claim, name: str | None = None) -> str:
    """Write missing shards, choose open settings, add a new run; returns its name.

    `claim` locks the run's directory before the run is in the catalog. Raises UsageError for a
    `name` that is taken or is not valid.
    """
    require_writable_folder(job.workspace.runs)  # before minutes of encoding
    bundle.require_utf8(job.workspace.runs)
    if name is not None:
        _require_free(job, name)
    make_trackers(config.track)  # raises if a library is missing
    if "tensorboard" in config.track:  # the tracker writes the same files as the log would
        config = replace(config, train={**config.train, "tensorboard": False})
    if config.start is not None:
        best_of(job.catalog, job.workspace, config.start)  # raises if it has no checkpoint
    tokenizer = job.corpus.tokenizer(config.tokenizer, config.tokens)
    # Raises where a metre or instruments to sample with are not in the vocabulary.
    constraints(tokenizer, build(Sampling, config.sample, "sample"), np.zeros(0, np.int64))
    shards = job.corpus.shards(tokenizer, config.data_settings, TRAINING_SPLITS, job.listener)
    config = _fill(job, replace(config, shards=shards, crops_version=VERSION), tokenizer)
    _network(job, config, tokenizer)  # fails before there is a run if it cannot be built
    row = job.catalog.start_run(config.arch, tokenizer.fingerprint, plain(config), name, claim)
    return row.name


def _fill(job: Job, config: RunConfig, tokenizer: Tokenizer) -> RunConfig:
    """The settings that are left open, chosen for this corpus and the measured speed."""
    spans = job.catalog.spans_at(config.shards["train"])
    lengths = [span.length for span in spans if not (span.augment or span.skipped)]
    predicted = np.array(lengths, np.int64) + isinstance(tokenizer.space, Tokens)  # with eos

    def rows(length: int) -> int:
        return cut(predicted, length).rows

    def task(trial: RunConfig) -> LanguageModeling:
        network, manifest = _network(job, trial, tokenizer)
        return LanguageModeling(network, manifest, *_crops(job, trial, tokenizer, manifest))

    timer = StepTimer(task, job.world, job.listener.measuring, job.began) if lengths else None
    return config.fill(sum(lengths), len(lengths), job.world.device.type, rows, timer)


def reopen(job: Job, name: str | None, claim: Claim) -> str:
    """Set the run called `name`, by default the newest, running again; returns its name."""
    run = job.catalog.newest_run(None) if name in (None, "newest") else job.catalog.run(str(name))
    if run is None:
        raise MusictkError("there is no run yet", NO_RUNS)
    _require_unfinished(run)
    _require_checkpoint(job.workspace, run.name)
    make_trackers(RunConfig.read(run.settings).track)
    claim(run.name)
    _require_unfinished(job.catalog.run(run.name))  # another process may have finished it
    return job.catalog.resume_run(run.name).name


def prepare(job: Job, name: str, resumed: bool, threads: int | None = None) -> Prepared:
    """Load the data and the network of the run called `name`, which is in the catalog.

    `threads` replaces the number that is stored with the run.
    """
    run = job.catalog.run(name)
    config = RunConfig.read(run.settings)
    row = job.catalog.tokenizer(run.tokenizer)
    kind = registry().load("tokenizer", row.name)
    tokenizer: Tokenizer = make_component(kind, row.config, row.learned)
    directory = job.workspace.runs / name
    if resumed:
        manifest = Manifest.read(directory / "last")
        network = bundle.build_network(manifest)
        # The checkpoint has all settings, so that defaults changed since do not matter.
        settings = stored_settings(checkpoint.stored(directory)["settings"])
    else:
        network, manifest = _network(job, config, tokenizer)
        manifest = replace(manifest, sampling=config.sample)
        settings = config.train_settings
    if threads is not None:
        settings = settings.but(threads=threads)
    train, valid = _crops(job, config, tokenizer, manifest)
    if not train.positions:
        raise MusictkError(
            "nothing in the training split can be tokenized", "see `musictk catalog rejected`"
        )
    pace, done = _pace(directory, config, resumed)
    facts = _facts(job, config, settings, LanguageModeling(network, manifest, train, valid))
    facts = replace(
        facts,
        seconds=pace.seconds(settings, done) if pace else None,
        no_effect=no_effect(tokenizer, train.shard, config.data),
        redrawn=resumed and config.crops_version != VERSION,
    )
    return Prepared(config, settings, network, manifest, train, valid, facts, pace)


def _facts(
    job: Job, config: RunConfig, settings: TrainSettings, task: LanguageModeling
) -> RunFacts:
    """Facts about a run that has not begun."""
    spans = [span for path in config.shards.values() for span in job.catalog.spans_at(path)]
    folded = task.manifest.conditions.folded
    pieces = job.corpus.require(registry().load("tokenizer", config.tokenizer).reads)
    return RunFacts(
        arch=config.arch,
        tokenizer=config.tokenizer,
        size=config.size or "custom",
        unit=task.train.shard.space.unit,
        parameters=parameters(task.network),
        device=str(job.world.device),
        precision=settings.precision.precision,
        slow=slow(settings.precision.precision, job.world.device),
        threads=settings.precision.threads,
        train_positions=task.train.positions,
        steps=settings.schedule.end,
        seconds=None,
        batch=config.train["batch"],
        length=config.train["length"],
        lr=config.train["lr"],
        start=config.start,
        seen=count_seen_valid(job.catalog, config.start, pieces),
        shared={category: tuple(labels) for category, labels in folded.items() if labels},
        threshold=config.data_settings.threshold,
        no_effect=(),
        redrawn=False,
        refused=tuple(span.skipped for span in spans if span.skipped),
    )


def _crops(
    job: Job, config: RunConfig, tokenizer: Tokenizer, manifest: Manifest
) -> tuple[Crops, Crops]:
    """The crops of both splits."""
    conditions, controls, data = manifest.conditions, manifest.controls, config.data_settings
    train, valid = (
        job.corpus.crops(tokenizer, split, conditions, data, config.shards, controls)
        for split in TRAINING_SPLITS
    )
    return train, valid


def _pace(directory: Path, config: RunConfig, resumed: bool) -> tuple[Pace | None, int]:
    """The pace that the run is expected to have, if it was measured, and its steps done."""
    pace = Pace(**config.pace) if config.pace else None
    if not resumed:
        return pace, 0
    progress = Progress.read(checkpoint.stored(directory)["progress"])
    if progress.step:
        pace = replace(pace or Pace(0.0), step=progress.seconds / progress.step)
    return pace, progress.step


def _network(job: Job, config: RunConfig, tokenizer: Tokenizer) -> tuple[Network, Manifest]:
    """Random weights from the run's seed, or those of the run that it fine-tunes."""
    import torch

    threshold = config.data_settings.threshold
    conditions = job.corpus.conditions(tokenizer, config.conditions, threshold)
    torch.manual_seed(config.train_settings.loop.seed)
    if config.start is not None:
        from musictk.training.finetune import start_from

        _, source = best_of(job.catalog, job.workspace, config.start)
        return start_from(source, tokenizer, conditions, config.lora, config.model.get("dropout"))
    body = make_component(registry().load("architecture", config.arch), config.model)
    settings = build(NetworkConfig, config.network, "network")
    controls = Controls.available(tokenizer, config.controls)
    network = Network(body, tokenizer.space, conditions.sizes, settings, controls)
    return network, bundle.describe(network, tokenizer, conditions, settings, controls)


def _require_free(job: Job, name: str) -> None:
    """Raise UsageError for a name that a run cannot have, before anything is encoded."""
    check_run_name(name, [run.name for run in job.catalog.runs()])
    folder = job.workspace.runs / name
    if folder.exists() and any(each.name != LOCK for each in folder.iterdir()):
        raise UsageError(f"runs/{name} exists already", "remove it, or choose another name")


def _require_unfinished(run: Run) -> None:
    """Raise UsageError for a run that has finished or diverged."""
    if run.status == "finished":
        hint = f"fine-tune it with: musictk train --from {run.name}"
        raise UsageError(f"run {run.name!r} is finished", hint)
    if run.status == "diverged":
        lower = lower_rate(RunConfig.read(run.settings).train_settings.optimisation.lr)
        raise UsageError(f"run {run.name!r} diverged and would diverge again", lower)


def _require_checkpoint(workspace: Workspace, name: str) -> None:
    """Raise MusictkError for a run that ended before its first checkpoint."""
    if not resumable(workspace.runs / name):
        raise MusictkError(
            f"run {name!r} ended before its first checkpoint", "train it again: musictk train"
        )
