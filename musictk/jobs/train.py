"""Train a model on the catalog's music."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.errors import MusictkError, UsageError
from musictk.export import ExportListener, ExportReport
from musictk.ingest.encode import EncodeListener
from musictk.jobs.corpus import count_conditions, idle, require_pieces
from musictk.jobs.export import export
from musictk.jobs.plan import Plan, TrainRequest
from musictk.jobs.runs import close, close_abandoned, keep
from musictk.jobs.settle import plan_for
from musictk.jobs.shards import fitted, make_shards, open_crops
from musictk.model import bundle
from musictk.model.cost import parameters
from musictk.model.manifest import Manifest, make_component
from musictk.model.network import Network, NetworkConfig
from musictk.plugin import registry
from musictk.tokens import Tokenizer, Tokens
from musictk.tokens.crops import VERSION, Crops
from musictk.tokens.cuts import cut
from musictk.training import checkpoint
from musictk.training.directory import CheckpointError, lock, resumable
from musictk.training.distributed import World, join
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import Outcome, TrainListener
from musictk.training.progress import lower_rate, stored_settings
from musictk.training.settings import TrainSettings
from musictk.workspace import Workspace

SHOWN = ("train", "valid")  # the splits of a run


class RunListener(TrainListener, EncodeListener, ExportListener, Protocol):
    """Hears of everything from the first shard to the last export."""

    def began(self, run: str, facts: Mapping[str, Any]) -> None:
        """The run has a name, and this is what it will do."""


@dataclass(frozen=True)
class Result:
    """A run that ended."""

    run: str
    outcome: Outcome
    facts: Mapping[str, Any]
    exports: tuple[ExportReport, ...] = ()
    unexported: MusictkError | None = None  # why not all that was asked for was exported


@dataclass(frozen=True)
class _Ready:
    """All that the training loop needs."""

    run: str
    settings: TrainSettings
    network: Network
    manifest: Manifest
    train: Crops
    valid: Crops
    facts: Mapping[str, Any]
    exports: tuple[str, ...]


def run(
    catalog: Catalog, workspace: Workspace, request: TrainRequest, listener: RunListener
) -> Result:
    """Train (or go on training) and keep what came of it in the catalog.

    Under torchrun every process calls this; the first keeps the catalog. Raises UnknownNameError
    for a name that nothing answers to, MusictkError for an empty catalog, LockedError for a run
    that another process is training.
    """
    device = None if request.device == "auto" else request.device
    with ExitStack() as stack:
        world = stack.enter_context(join(device, "ddp"))

        def claim(name: str) -> None:
            stack.enter_context(lock(workspace.runs / name))

        name = world.run_on_main(lambda: _open(catalog, workspace, request, listener, world, claim))
        try:
            ready = _prepare(catalog, workspace, name, request, listener, world)
            if world.is_main:
                listener.began(name, ready.facts)
            outcome = train(
                LanguageModeling(ready.network, ready.manifest, ready.train, ready.valid),
                ready.settings,
                workspace.runs / name,
                listener,
                resume=request.resume is not None,
                device=world.device,
                locked=True,
            )
            if world.is_main:
                keep(catalog, workspace, name, ready.facts["parameters"], outcome)
        except BaseException as error:
            if world.is_main:
                _close(catalog, workspace, name, error)
            raise
        world.barrier()
    if not world.is_main or outcome.interrupted or outcome.diverged:
        return Result(name, outcome, ready.facts)
    exports: list[ExportReport] = []
    unexported = None
    try:
        exports.extend(export(catalog, workspace, ready.exports, name, listener))
    except MusictkError as error:  # the model is whole all the same
        hint = f"fix that, then: musictk export --run {name}"
        unexported = MusictkError(f"{name} is trained but not exported: {error.message}", hint)
    return Result(name, outcome, ready.facts, tuple(exports), unexported)


def _close(catalog: Catalog, workspace: Workspace, name: str, error: BaseException) -> None:
    """Close a run that an error ended, and say in the error how it can be resumed."""
    directory = workspace.runs / name
    there = resumable(directory)
    stopped = there and isinstance(error, KeyboardInterrupt)
    with suppress(MusictkError, OSError):  # on a full disk the next `train` closes it
        close(catalog, workspace, name, "interrupted" if stopped else "failed")
    if there and isinstance(error, MusictkError) and not isinstance(error, CheckpointError):
        hint = error.hint.removesuffix(", then run the same command again") or "fix that"
        error.hint = f"{hint}, then: musictk train --resume {name}"


def _open(
    catalog: Catalog,
    workspace: Workspace,
    request: TrainRequest,
    listener: RunListener,
    world: World,
    claim: Callable[[str], None],
) -> str:
    """The name of the run, new or resumed; only the first process keeps the catalog.

    `claim` locks the run's directory, before its row says that it is running.
    """
    close_abandoned(catalog, workspace)
    if request.resume is None:
        return _start(catalog, workspace, request, listener, world, claim)
    name = _resumable(catalog, request)
    _require_checkpoint(workspace, name)
    claim(name)
    _resumable(catalog, replace(request, resume=name))  # it may have ended in the meantime
    return catalog.resume_run(name).name


def _prepare(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    request: TrainRequest,
    listener: RunListener,
    world: World,
) -> _Ready:
    """The first process made shards and the run's row; the others find them made."""
    plan = Plan.read(catalog.run(name).settings)
    row = catalog.tokenizer(catalog.run(name).tokenizer)
    kind = registry().load("tokenizer", row.name)
    tokenizer: Tokenizer = make_component(kind, row.config, row.learned)
    if request.resume is not None:
        manifest = Manifest.read(workspace.runs / name / "last")
        network = bundle.build_network(manifest)
        # As the run began, also where defaults have changed since.
        settings = stored_settings(checkpoint.stored(workspace.runs / name)["settings"])
    else:
        network, manifest = _network(catalog, workspace, plan, tokenizer)
        manifest = replace(manifest, sampling=plan.sample)
        settings = plan.settings
    shown, held = (
        open_crops(
            catalog, workspace, tokenizer, plan.shards, split, manifest.conditions, plan.shown
        )
        for split in SHOWN
    )
    facts = _facts(plan, network, shown, held, world)
    folded = manifest.conditions.folded
    facts["shared"] = {name: list(labels) for name, labels in folded.items() if labels}
    facts["threshold"] = plan.shown.threshold
    facts["idle"] = idle(tokenizer, shown.shard, plan.data)
    facts["redrawn"] = request.resume is not None and plan.windows != VERSION
    spans = [span for path in plan.shards.values() for span in catalog.spans_at(path)]
    facts["refused"] = [span.skipped for span in spans if span.skipped]
    return _Ready(name, settings, network, manifest, shown, held, facts, plan.export)


def _start(
    catalog: Catalog,
    workspace: Workspace,
    request: TrainRequest,
    listener: RunListener,
    world: World,
    claim: Callable[[str], None],
) -> str:
    """Learn and tokenize what is missing, settle every setting, and open the run."""
    plan = plan_for(catalog, request)
    if plan.start is not None:
        if catalog.run(plan.start).status != "diverged" and not catalog.checkpoints(plan.start):
            _require_checkpoint(workspace, plan.start)
        catalog.checkpoint(plan.start)  # raises where there is none that is good
    tokenizer = fitted(catalog, workspace, plan.tokenizer, plan.tokens)
    shards = make_shards(catalog, workspace, tokenizer, plan.shown, SHOWN, listener)
    spans = catalog.spans_at(shards["train"])
    lengths = [span.length for span in spans if not (span.augment or span.skipped)]
    predicted = np.array(lengths, np.int64) + isinstance(tokenizer.space, Tokens)  # eos too
    plan = replace(plan, shards=shards, windows=VERSION).suited(
        sum(lengths), len(lengths), world.device.type, lambda length: cut(predicted, length).rows
    )
    _network(catalog, workspace, plan, tokenizer)  # refuse what cannot be built before it is a run
    return catalog.start_run(plan.arch, tokenizer.fingerprint, plain(plan), claim=claim).name


def _network(
    catalog: Catalog, workspace: Workspace, plan: Plan, tokenizer: Tokenizer
) -> tuple[Network, Manifest]:
    """Fresh weights by the run's seed, or those of the run it starts from."""
    import torch

    pieces = require_pieces(catalog, tokenizer.reads).values()
    conditions = count_conditions(pieces, plan.conditions, plan.shown.threshold)
    torch.manual_seed(plan.settings.loop.seed)
    if plan.start is not None:
        from musictk.training.finetune import start_from

        source = workspace.resolve(catalog.checkpoint(plan.start).path)
        return start_from(source, tokenizer, conditions, plan.lora, plan.model.get("dropout"))
    body = make_component(registry().load("architecture", plan.arch), plan.model)
    config = build(NetworkConfig, plan.network, "network")
    network = Network(body, tokenizer.space, conditions.sizes, config)
    return network, bundle.describe(network, tokenizer, conditions, config)


def _resumable(catalog: Catalog, request: TrainRequest) -> str:
    name = request.resume
    run = catalog.newest_run(None) if name in (None, "newest") else catalog.run(str(name))
    further = f"train --from {run.name} goes further"
    if run.status == "finished":
        raise UsageError(f"run {run.name!r} is finished", further)
    if run.status == "diverged":
        lower = lower_rate(Plan.read(run.settings).settings.optimisation.lr)
        raise UsageError(f"run {run.name!r} diverged and would do so again", lower)
    if request != TrainRequest(resume=request.resume, device=request.device):
        raise UsageError(
            f"run {run.name!r} goes on with the settings it began with",
            f"give none beside --resume; {further} with others",
        )
    return run.name


def _require_checkpoint(workspace: Workspace, name: str) -> None:
    """Raises MusictkError for a run that ended before it could be gone on from."""
    if not resumable(workspace.runs / name):
        raise MusictkError(
            f"run {name!r} ended before its first checkpoint", "start anew: musictk train"
        )


def _facts(plan: Plan, network: Network, shown: Crops, held: Crops, world: World) -> dict[str, Any]:
    if not shown.positions:
        raise MusictkError(
            "nothing in the training split can be tokenized", "see `musictk catalog rejected`"
        )
    return {
        "arch": plan.arch,
        "tokenizer": plan.tokenizer,
        "size": plan.size or "own",
        "unit": shown.shard.space.unit,
        "parameters": parameters(network),
        "device": str(world.device),
        "processes": world.size,
        "train_positions": shown.positions,
        "valid_positions": held.positions,
        **{key: plan.train[key] for key in ("steps", "batch", "length", "lr")},
        "start": plan.start,
    }
