"""One run on one process: its network, optimizers and progress, and what can be done to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musictk.errors import UsageError
from musictk.files import cause
from musictk.model.bundle import weights_digest, with_progress
from musictk.model.cost import parameters
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens.crops import Crops
from musictk.training import checkpoint
from musictk.training.baseline import baseline_nll
from musictk.training.directory import DAMAGED, LAST, CheckpointError
from musictk.training.distributed import World
from musictk.training.evaluate import autocast, score, tensors
from musictk.training.feed import StepData, torch_seed
from musictk.training.log import Log
from musictk.training.meter import Meter, peak_bytes
from musictk.training.objective import Objective, recompute_blocks
from musictk.training.optimizer import make_optimizers, pack, set_rate, unpack
from musictk.training.outcome import Ended, Evaluation, Outcome, Report, TrainListener
from musictk.training.progress import Progress, stored_settings
from musictk.training.schedule import rate
from musictk.training.settings import TrainSettings
from musictk.training.whole import whole_network


class Trainer:
    """One run on one process."""

    def __init__(
        self,
        settings: TrainSettings,
        network: Network,
        manifest: Manifest,
        world: World,
        directory: Path,
        listener: TrainListener,
    ) -> None:
        self.settings, self.network, self.manifest = settings, network.to(world.device), manifest
        self.world, self.directory, self.listener = world, directory, listener
        self.progress = Progress()
        self.log: Log | None = None
        self._stored: dict[str, Tensor] = {}  # the optimizers' state to begin with
        self._scale: dict[str, Any] = {}
        self._nll: float | None = None  # of the last evaluation

    def final(self) -> bool:
        """Whether every step is taken."""
        return self.progress.step >= self.settings.schedule.steps

    def spent(self) -> bool:
        """Whether patience is at an end."""
        return 0 < self.settings.schedule.patience <= self.progress.stale

    def diverged(self) -> str:
        """Why the run has diverged; "" where it has not."""
        return self.progress.diverged(self._nll, self.final())

    def load(self) -> None:
        """Take up `last`. Raises UsageError where the settings are not those it began with."""
        self._stored, trainer = checkpoint.load(self.directory, self.network)
        began = stored_settings(trainer["settings"]).flat()
        for key, value in self.settings.flat().items():
            if began[key] != value:
                raise UsageError(
                    f"this run began with {key}={began[key]!r}, not {value!r}",
                    "resume it as it was, or start another run",
                )
        self.progress = Progress.read(trainer["progress"])
        self._scale = trainer["scaler"]

    def prepare(self, train: Crops, valid: Crops) -> None:
        """Wrap the network, make the optimizers, count the baseline."""
        precision = self.settings.precision
        self.valid = valid
        self.data = train.shard.digest if self.world.is_main else ""
        smoothing = self.settings.optimisation.label_smoothing
        objective = Objective(self.network, self.manifest.space, smoothing)
        if precision.recompute:
            recompute_blocks(self.network.body)
        if precision.compile and self.world.device.type == "cuda":
            objective.compile()
        self.objective = self.world.wrap(objective)
        self.optimizers = make_optimizers(self.network, self.settings.optimisation)
        self.scaler = torch.amp.GradScaler(
            self.world.device.type, enabled=precision.precision == "fp16"
        )
        self._restore()
        if self.progress.baseline is None and valid.positions:
            pieces = (_pieces(train), _pieces(valid))
            self.progress.baseline = baseline_nll(*pieces, self.manifest.space)

    def _restore(self) -> None:
        """Give the optimizers and the scaler what the checkpoint kept of them."""
        try:
            unpack(self.optimizers, self.network, self._stored)
            if self._scale:
                self.scaler.load_state_dict(self._scale)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            path = self.directory / LAST
            raise CheckpointError(
                f"the optimizer state in {path} does not fit this network: {cause(error)}", DAMAGED
            ) from error

    def take(self, data: StepData) -> tuple[Tensor, float]:
        """One optimizer step; this process's nats, and the gradient's norm before clipping."""
        loop, step = self.settings.loop, self.progress.step
        self.objective.train()
        nats = torch.zeros((), device=self.world.device)
        for index, part in enumerate(data.parts):
            draw = step * loop.accumulation + index
            torch.manual_seed(torch_seed(loop.seed, draw, self.world.rank))
            last = index == len(data.parts) - 1
            with self.world.no_sync(self.objective, last):
                with autocast(self.world.device, self.settings.precision.precision):
                    each = self.objective(*tensors(part, self.world.device)).sum()
                # Processes average their gradients; their positions are to be summed.
                loss = each * (self.world.size / max(data.positions, 1))
                self.scaler.scale(loss).backward()
            nats += each.detach()
        return nats, self._update(step)

    def _update(self, step: int) -> float:
        """Clip and step, or count a gradient that is not finite and leave the weights alone."""
        set_rate(self.optimizers, rate(self.settings.schedule, step))
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        clip = self.settings.optimisation.clip or math.inf
        total = nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        norm = float(total.full_tensor() if hasattr(total, "full_tensor") else total)
        for optimizer in self.optimizers:
            if math.isfinite(norm):
                self.scaler.step(optimizer)
            optimizer.zero_grad()
        if math.isfinite(norm):
            self.progress.updated(finite=True)
        elif not (self.scaler.is_enabled() and self.scaler.get_scale() > 1):
            # fp16 starts from a scale that is too high and finds its own: no fault while it can
            # fall. Asked only here: reading the scale waits for the GPU.
            self.progress.updated(finite=False)
        self.scaler.update()
        return norm

    def evaluate(self) -> bool:
        """Score the validation split; whether it is the best so far.

        Without that split the last is the best, unless its update was skipped.
        """
        progress, loop = self.progress, self.settings.loop
        progress.evaluated = progress.step
        if not self.valid.positions:
            good = self.final() or not progress.skipped_in_row
            progress.best_step = progress.step if good else progress.best_step
            return good
        # FSDP gathers in its own forward; otherwise skip the compiled one: shapes differ here.
        sharded = self.world.size > 1 and self.world.parallel == "fsdp"
        objective = self.objective if sharded else Objective(self.network, self.manifest.space)
        scores = score(
            objective.eval(),
            self.valid,
            loop.batch,
            loop.length,
            self.world.device,
            batches=loop.evaluate_batches,
            precision=self.settings.precision.precision,
        )
        nll, by_position = scores.mean, scores.by_position
        self.world.reshard(self.objective)
        nll = self._nll = self.world.agree(nll)
        better = progress.scored(nll)
        if better:
            progress.by_position = by_position
        if self.log:
            values = {"nll": nll, "baseline": progress.baseline, "best": better}
            values |= {f"nll_{name}": nats for name, nats in by_position.items()}
            self.log.write("evaluation", progress.step, **values)
        evaluation = Evaluation(progress.step, nll, progress.baseline, better, by_position)
        self.listener.evaluated(evaluation)
        return better

    def report(self, meter: Meter, norm: float) -> None:
        """Say how the last steps went."""
        progress = self.progress
        lr = self.settings.optimisation.lr * rate(self.settings.schedule, progress.step - 1)
        loss, speed = meter.read()
        report = Report(
            progress.step,
            self.settings.schedule.steps,
            loss,
            lr,
            norm,
            speed,
            progress.skipped,
            progress.seconds,
        )
        if self.log:
            values = {k: v for k, v in asdict(report).items() if k not in ("step", "steps")}
            self.log.write("step", progress.step, **values)
        if self.world.is_main:
            self.listener.stepped(report)

    def score_start(self) -> None:
        """Score weights that were trained before, and keep them as the best until some are better.

        Once only, before the first step. Without validation there is nothing to score.
        """
        trained = "from" in self.manifest.trained and self.progress.step == 0
        if trained and self.progress.best_nll is None and self.valid.positions:
            better = self.evaluate()
            if better:
                self.save(better)

    def save(self, best: bool) -> None:
        """Every process gathers; the first writes; all wait for it."""
        loop, packed = self.settings.loop, pack(self.optimizers, self.network)
        network, live = whole_network(self.network, self.manifest)
        if self.world.is_main:
            trainer = {
                "step": self.progress.step,
                "progress": asdict(self.progress),
                "settings": self.settings.flat(),
                "scaler": self.scaler.state_dict(),
            }
            path = checkpoint.save(
                self.directory,
                network,
                with_progress(self.manifest, **self._trained(network)),
                packed | live,
                trainer,
                best=best,
                keep_every=loop.checkpoint_every if loop.keep_checkpoints else 0,
            )
            self.listener.saved(path)
        self.world.barrier()

    def _trained(self, network: Network) -> dict[str, Any]:
        progress = self.progress
        return {
            "step": progress.step,
            "positions": progress.positions,
            "seconds": progress.seconds,
            "best_nll": progress.best_nll,
            "baseline": progress.baseline,
            "data": self.data,
            "parameters": parameters(network),
            "settings": self.settings.flat(),
        }

    def outcome(self) -> Outcome:
        """How the run stands now that it has ended."""
        progress = self.progress
        ended: Ended = "finished" if self.final() else "patience" if self.spent() else "interrupted"
        why = self.diverged()
        network, _ = whole_network(self.network, self.manifest)
        return Outcome(
            ended="diverged" if why else ended,
            why=why,
            step=progress.step,
            best_step=progress.best_step,
            best_nll=progress.best_nll,
            baseline=progress.baseline,
            skipped=progress.skipped,
            seconds=progress.seconds,
            positions_per_second=progress.positions / max(progress.seconds, 1e-9),
            peak_bytes=peak_bytes(self.world.device),
            digest=weights_digest(network),
            last=self.directory / LAST,
            best=self.directory / checkpoint.BEST,
            by_position=progress.by_position,
        )


def _pieces(crops: Crops) -> Iterator[NDArray[Any]]:
    shard = crops.shard
    return (shard.piece(index) for index in range(len(shard.files)) if shard.lengths[index])
