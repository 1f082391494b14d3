"""One run on one process: its network, optimizers and progress, and the operations of the loop."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musictk.errors import UsageError
from musictk.files import cause
from musictk.model.bundle import weights_digest, with_progress
from musictk.model.cost import parameters
from musictk.model.network import Network
from musictk.model.renames import current_names
from musictk.training import checkpoint
from musictk.training.average import Average
from musictk.training.devices import autocast, tensors
from musictk.training.directory import DAMAGED, LAST, CheckpointError
from musictk.training.distributed import World
from musictk.training.feed import StepData, torch_seed
from musictk.training.log import Log
from musictk.training.meter import Meter, peak_bytes
from musictk.training.objective import Objective, named_parameters, recompute_blocks
from musictk.training.optimizer import make_optimizers, pack, set_rate, unpack
from musictk.training.outcome import Ended, Evaluation, Outcome, Report, TrainListener
from musictk.training.pace import Pacer
from musictk.training.progress import Progress, stored_settings
from musictk.training.schedule import rate, yet_to_fall
from musictk.training.settings import TrainSettings
from musictk.training.task import Task
from musictk.training.whole import whole_network


class Trainer:
    """One run on one process."""

    def __init__(
        self,
        task: Task,
        settings: TrainSettings,
        world: World,
        directory: Path,
        listener: TrainListener,
        pacer: Pacer | None = None,
    ) -> None:
        self.pacer = pacer or Pacer()
        self.task, self.settings, self.world = task, settings, world
        self.network, self.manifest = task.network.to(world.device), task.manifest
        self.directory, self.listener = directory, listener
        self.progress = Progress()
        self.log: Log | None = None
        self._stored: dict[str, Tensor] = {}  # the checkpoint's tensors, without the network's
        self._scale: dict[str, Any] = {}
        self._nll: float | None = None  # of the last evaluation

    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.progress.step >= self.settings.schedule.end

    def stale(self) -> bool:
        """Whether as many evaluations as `patience` allows have passed without a better one."""
        return 0 < self.settings.schedule.patience <= self.progress.stale

    def diverged(self) -> str:
        """Why the run has diverged; "" if it has not."""
        return self.progress.diverged(self._nll, self.finished())

    def load(self) -> None:
        """Load `last`. Raises UsageError where the settings are not those the run began with."""
        self._stored, trainer = checkpoint.load(self.directory, self.network)
        began = stored_settings(trainer["settings"]).flat()
        kept = ["replanned"] + ["precision"] * (self.settings.precision.precision == "auto")
        self.settings = self.settings.but(**{key: began[key] for key in kept})
        for key, value in self.settings.flat().items():
            if began[key] != value and key != "threads":
                raise UsageError(
                    f"this run began with {key}={began[key]!r}, not {value!r}",
                    "resume it with its own settings, or start another run",
                )
        self.progress = Progress.read(trainer["progress"])
        self._scale = trainer["scaler"]

    def prepare(self) -> None:
        """Build everything that a step needs, and compute the baseline."""
        self.data = self.task.data if self.world.is_main else ""
        self.build()
        if self.progress.baseline is None:
            self.progress.baseline = self.task.baseline()

    def build(self) -> None:
        """Wrap the objective and create the optimizers; restore the checkpoint that was loaded."""
        precision = self.settings.precision
        torch.manual_seed(self.settings.loop.seed)  # of weights that the objective creates
        self.objective: Objective = self.task.objective(self.settings).to(self.world.device)
        self._restore_objective()
        if precision.recompute:
            recompute_blocks(self.network.body)
        if precision.compile and self.world.device.type == "cuda":
            self.objective.compile()
        self.wrapped = self.world.wrap(self.objective)
        self.optimizers = make_optimizers(
            self.objective, self.settings.optimisation, self.network.body
        )
        self.scaler = torch.amp.GradScaler(
            self.world.device.type, enabled=precision.precision == "fp16"
        )
        self._restore_optimizers()

    def _restore_objective(self) -> None:
        """Load the objective's own parameters, before they are wrapped."""
        own = checkpoint.pop_own(self._stored)
        if self.progress.step and set(own) != set(self.objective.own_state()):
            raise CheckpointError(
                f"the checkpoint in {self.directory / LAST} is of another training task",
                "resume it with the task it began with",
            )
        self.objective.load_state_dict(own, strict=False)

    def _restore_optimizers(self) -> None:
        """Load the checkpoint's state of the optimizers, the scaler and the average."""
        named = named_parameters(self.objective)
        self.average = Average(named, self.settings.optimisation.averaging)
        try:
            stored = current_names(self.network, self._stored)
            if stored:
                self.average.load(stored)
            unpack(self.optimizers, named, stored)
            if self._scale:
                self.scaler.load_state_dict(self._scale)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            path = self.directory / LAST
            raise CheckpointError(
                f"the optimizer state in {path} does not fit this network: {cause(error)}", DAMAGED
            ) from error

    def step(self, data: StepData) -> tuple[Tensor, float]:
        """One optimizer step: this process's summed cost, and the gradient's norm before clipping.

        The gradient is that of the mean cost over all passes and processes.
        """
        loop, step = self.settings.loop, self.progress.step
        self.wrapped.train()
        total = torch.zeros((), device=self.world.device)
        for index, part in enumerate(data.parts):
            draw = step * loop.accumulation + index
            torch.manual_seed(torch_seed(loop.seed, draw, self.world.rank))
            last = index == len(data.parts) - 1
            with self.world.no_sync(self.wrapped, last):
                with autocast(self.world.device, self.settings.precision.precision):
                    cost = self.wrapped(*tensors(part.arrays, self.world.device)).sum()
                # Processes average their gradients, but the mean is over all their counts.
                loss = cost * (self.world.size / max(data.count, 1))
                self.scaler.scale(loss).backward()
            total += cost.detach()
        return total, self._update(step)

    def _update(self, step: int) -> float:
        """Clip and step; skip and count the update if the gradient is not finite."""
        set_rate(self.optimizers, rate(self.settings.schedule, step))
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        clip = self.settings.optimisation.clip or math.inf
        total = nn.utils.clip_grad_norm_(self.objective.parameters(), clip)
        norm = float(total.full_tensor() if hasattr(total, "full_tensor") else total)
        for optimizer in self.optimizers:
            if math.isfinite(norm):
                self.scaler.step(optimizer)
            optimizer.zero_grad()
        self.average.add(step)
        if math.isfinite(norm):
            self.progress.updated(finite=True)
        elif not (self.scaler.is_enabled() and self.scaler.get_scale() > 1):
            # fp16's first loss scale is too high on purpose: overflow is no fault while the scale
            # can fall. Read only here, because reading it waits for the GPU.
            self.progress.updated(finite=False)
        self.scaler.update()
        return norm

    def replan(self) -> None:
        """Move the end of the run where that is needed to meet its deadline."""
        step, agree = self.progress.step, self.world.broadcast
        self.settings = self.pacer.replan(step, self.settings, agree)

    def evaluate(self) -> bool:
        """Score the validation split; return whether it is the best so far.

        Without that split the last is the best, unless its update was skipped.
        """
        progress = self.progress
        progress.evaluated = progress.step
        if not self.task.validates:
            good = self.finished() or not progress.skipped_in_row
            progress.best_step = progress.step if good else progress.best_step
            return good
        self.wrapped.eval()
        costs = self.world.costs(self.wrapped, self.objective)
        with torch.no_grad(), self.average.applied():
            found = self.task.validate(costs, self.settings, self.world.device)
            self.world.reshard(self.wrapped)
        nll = self._nll = self.world.broadcast(found.cost)
        better = progress.scored(nll, yet_to_fall(self.settings.schedule, progress.step - 1))
        if better:
            progress.by_position = found.parts
        evaluation = Evaluation(progress.step, nll, progress.baseline, better, found.parts)
        if self.log:
            self.log.write("evaluation", progress.step, **evaluation.metrics)
        self.listener.evaluated(evaluation)
        return better

    def report(self, meter: Meter, norm: float) -> None:
        """Log the steps since the last report, and pass them to the listener."""
        progress = self.progress
        lr = self.settings.optimisation.lr * rate(self.settings.schedule, progress.step - 1)
        loss, speed = meter.read()
        left = self.pacer.pace.seconds(self.settings, progress.step)
        done, end, skipped = progress.step, self.settings.schedule.end, progress.skipped
        report = Report(done, end, loss, lr, norm, speed, skipped, progress.seconds, left)
        if self.log:
            self.log.write("step", progress.step, **report.metrics)
        self.listener.stepped(report)

    def score_start(self) -> None:
        """Score the weights that fine-tuning starts from: the best, until others are better.

        Once only, before the first step, and only where there is a validation split.
        """
        trained = "from" in self.manifest.trained and self.progress.step == 0
        first = trained and self.progress.best_nll is None and self.task.validates
        if first and self.evaluate():
            self.save(best=True)

    def save(self, best: bool) -> None:
        """Write a checkpoint: every process gathers, the first writes, all wait for it."""
        packed = pack(self.optimizers, named_parameters(self.objective))
        packed |= checkpoint.own_tensors(self.objective) | self.average.pack(self.network)
        with self.average.applied():
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
                    live | packed,
                    trainer,
                    best=best,
                    keep_every=self.settings.loop.keep_every,
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
        """How the run ended. The network then has the average of its weights, if there is one."""
        self.average.apply()
        progress = self.progress
        ended: Ended = (
            "finished" if self.finished() else "patience" if self.stale() else "interrupted"
        )
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
            positions_per_second=progress.positions_per_second,
            peak_bytes=peak_bytes(self.world.device),
            digest=weights_digest(network),
            last=self.directory / LAST,
            best=self.directory / checkpoint.BEST,
            by_position=progress.by_position,
            replanned=self.settings.schedule.replanned,
        )
