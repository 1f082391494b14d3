"""Train a model on the catalog's music."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.errors import MusictkError, UsageError
from musictk.export import ExportReport
from musictk.export import Listener as ExportListener
from musictk.ingest.encode import Listener as ShardListener
from musictk.jobs.corpus import count_conditions, idle, require_pieces
from musictk.jobs.export import export
from musictk.jobs.plan import Plan, Request
from musictk.jobs.settle import plan_for
from musictk.jobs.shards import fitted, make_shards, open_windows
from musictk.model import bundle
from musictk.model.cost import parameters
from musictk.model.manifest import Manifest, make_component
from musictk.model.network import Network, NetworkConfig
from musictk.plugin import registry
from musictk.tokens import Tokenizer
from musictk.tokens.windows import Windows
from musictk.training import checkpoint
from musictk.training.distributed import World, join
from musictk.training.loop import train
from musictk.training.outcome import Listener as TrainListener
from musictk.training.outcome import Outcome
from musictk.training.settings import Settings
from musictk.workspace import Workspace

SHOWN = ("train", "valid")  # the splits of a run


class Listener(TrainListener, ShardListener, ExportListener, Protocol):
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
    settings: Settings
    network: Network
    manifest: Manifest
    train: Windows
    valid: Windows
    facts: Mapping[str, Any]
    exports: tuple[str, ...]


def run(catalog: Catalog, workspace: Workspace, request: Request, listener: Listener) -> Result:
    """Train (or go on training) and keep what came of it in the catalog.

    Under torchrun every process calls this; the first keeps the catalog. Raises UnknownNameError
    for a name that nothing answers to, MusictkError for an empty catalog.
    """
    device = None if request.device == "auto" else request.device
    with join(device, "ddp") as world:
        name = world.lead(lambda: _open(catalog, workspace, request, listener, world))
        try:
            ready = _prepare(catalog, workspace, name, request, listener, world)
            if world.leads:
                listener.began(name, ready.facts)
            outcome = train(
                ready.settings,
                ready.network,
                ready.manifest,
                ready.train,
                ready.valid,
                workspace.runs / name,
                listener,
                resume=request.resume is not None,
                device=world.device,
            )
            if world.leads:
                _keep(catalog, workspace, ready, outcome)
        except BaseException:
            if world.leads:
                with suppress(MusictkError):  # of a catalog that fails too: the first error counts
                    catalog.finish_run(name, "failed")
            raise
        world.wait()
    if not world.leads or outcome.interrupted:
        return Result(name, outcome, ready.facts)
    exports: list[ExportReport] = []
    unexported = None
    try:
        exports.extend(export(catalog, workspace, ready.exports, name, listener))
    except MusictkError as error:  # the model is whole all the same
        mend = f"mend that, then: musictk export --run {name}"
        unexported = MusictkError(f"{name} is trained but not exported: {error.message}", mend)
    return Result(name, outcome, ready.facts, tuple(exports), unexported)


def _open(
    catalog: Catalog, workspace: Workspace, request: Request, listener: Listener, world: World
) -> str:
    """The name of the run, new or taken up again; only the first process keeps the catalog."""
    if request.resume is None:
        return _start(catalog, workspace, request, listener, world)
    name = _resumable(catalog, request)
    _require_checkpoint(workspace, name)
    return catalog.resume_run(name).name


def _prepare(
    catalog: Catalog,
    workspace: Workspace,
    name: str,
    request: Request,
    listener: Listener,
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
    else:
        network, manifest = _network(catalog, workspace, plan, tokenizer)
        manifest = replace(manifest, sampling=plan.sample)
    shown, held = (
        open_windows(
            catalog, workspace, tokenizer, plan.shards, split, manifest.conditions, plan.shown
        )
        for split in SHOWN
    )
    facts = _facts(plan, network, shown, held, world)
    facts["idle"] = idle(tokenizer, shown.shard, plan.data)
    spans = [span for path in plan.shards.values() for span in catalog.spans_at(path)]
    facts["refused"] = [span.skipped for span in spans if span.skipped]
    return _Ready(name, plan.settings, network, manifest, shown, held, facts, plan.export)


def _start(
    catalog: Catalog, workspace: Workspace, request: Request, listener: Listener, world: World
) -> str:
    """Learn and tokenize what is missing, settle every setting, and open the run."""
    plan = plan_for(catalog, request)
    if plan.start is not None and not catalog.checkpoints(plan.start):
        _require_checkpoint(workspace, plan.start)
    tokenizer = fitted(catalog, workspace, plan.tokenizer, plan.tokens)
    shards = make_shards(catalog, workspace, tokenizer, plan.shown, SHOWN, listener)
    spans = catalog.spans_at(shards["train"])
    lengths = [span.length for span in spans if not (span.augment or span.skipped)]
    plan = replace(plan, shards=shards).suited(sum(lengths), len(lengths), world.device.type)
    _network(catalog, workspace, plan, tokenizer)  # refuse what cannot be built before it is a run
    return catalog.start_run(plan.arch, tokenizer.fingerprint, plain(plan)).name


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


def _keep(catalog: Catalog, workspace: Workspace, ready: _Ready, outcome: Outcome) -> None:
    metrics = {
        "step": outcome.step,
        "best_step": outcome.best_step,
        "best_nll": outcome.best_nll,
        "baseline": outcome.baseline,
        "skipped": outcome.skipped,
        "seconds": outcome.seconds,
        "positions_per_second": outcome.positions_per_second,
        "peak_bytes": outcome.peak_bytes,
        "parameters": ready.facts["parameters"],
        "ended": outcome.ended,
    }
    for kind, path in (("best", outcome.best), ("last", outcome.last)):
        if (path / "manifest.json").is_file():
            step = outcome.best_step if kind == "best" else outcome.step
            network = bundle.read(path)[0]
            digest = bundle.weights_digest(network)
            metrics["parameters"] = parameters(network)  # adapters are merged into it
            catalog.add_checkpoint(ready.run, kind, step, workspace.relative(path), digest, metrics)
    catalog.finish_run(ready.run, "interrupted" if outcome.interrupted else "finished", metrics)


def _resumable(catalog: Catalog, request: Request) -> str:
    name = request.resume
    run = catalog.newest_run(None) if name in (None, "newest") else catalog.run(str(name))
    further = f"train --from {run.name} goes further"
    if run.status == "finished":
        raise UsageError(f"run {run.name!r} is finished", further)
    if request != Request(resume=request.resume, device=request.device):
        raise UsageError(
            f"run {run.name!r} goes on with the settings it began with",
            f"give none beside --resume; {further} with others",
        )
    return run.name


def _require_checkpoint(workspace: Workspace, name: str) -> None:
    """Raises MusictkError for a run that ended before it could be gone on from."""
    if not checkpoint.exists(workspace.runs / name):
        raise MusictkError(
            f"run {name!r} ended before its first checkpoint", "start anew: musictk train"
        )


def _facts(
    plan: Plan, network: Network, shown: Windows, held: Windows, world: World
) -> dict[str, Any]:
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
        **{key: plan.train[key] for key in ("steps", "batch", "length")},
    }
