"""Measure the pace of a run: a few real steps, whose results are thrown away."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from musictk.training.devices import autocast, tensors
from musictk.training.distributed import World
from musictk.training.feed import StepData
from musictk.training.outcome import SilentListener
from musictk.training.pace import Pace
from musictk.training.precision import resolve
from musictk.training.settings import TrainSettings
from musictk.training.task import Task
from musictk.training.trainer import Trainer

MOST_STEPS, MOST_SECONDS = 5, 1.0  # of the timed steps, after one that warms up
WRITING = 300e6  # bytes per second of a checkpoint: copying, writing and checking
OPTIMIZER = 3  # a checkpoint has the weights and two running means of gradients


def measure(task: Task, settings: TrainSettings, world: World) -> Pace:
    """The pace of a run with these settings, from the share of one of its processes.

    `task.network` is trained, so give one that is built for this alone. The state of torch's random
    numbers is restored. The median of the timed steps counts; each has the data of a real one.
    """
    device = world.device
    batch = max(settings.loop.batch // world.size, 1)
    settings = resolve(settings.but(compile=False, batch=batch), device)
    trainer = Trainer(task, settings, World(0, 1, device, "ddp"), Path(), SilentListener())
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        trainer.build()
        times: list[float] = []
        while len(times) <= MOST_STEPS and sum(times[1:]) < MOST_SECONDS:
            data = _data(task, settings, len(times))
            began = time.perf_counter()
            trainer.step(data)
            times.append(time.perf_counter() - began)
        evaluation = _evaluation(trainer, data) if task.validates else 0.0
    weights = sum(each.numel() * each.element_size() for each in trainer.objective.parameters())
    return Pace(statistics.median(times[1:]), evaluation, OPTIMIZER * weights / WRITING)


def _data(task: Task, settings: TrainSettings, step: int) -> StepData:
    passes, rows = settings.loop.accumulation, slice(0, settings.loop.batch)
    draws = range(step * passes, (step + 1) * passes)
    return StepData([task.batch(settings, draw, rows) for draw in draws])


@torch.no_grad()
def _evaluation(trainer: Trainer, data: StepData) -> float:
    """Seconds of an evaluation: one with a single batch, and forward passes for the others."""
    task, settings, device = trainer.task, trainer.settings, trainer.world.device
    trainer.objective.eval()
    arguments = tensors(data.parts[0].arrays, device)
    with autocast(device, settings.precision.precision):
        float(trainer.objective(*arguments).sum())  # warms up
        began = time.perf_counter()
        float(trainer.objective(*arguments).sum())
        forward = time.perf_counter() - began
    began = time.perf_counter()
    task.validate(trainer.objective, settings.but(evaluate_batches=1), device)
    first = time.perf_counter() - began
    return first + max(task.evaluation_batches(settings) - 1, 0) * forward
