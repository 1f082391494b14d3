"""Measure a run's pace and best number of threads: real steps, whose results are thrown away."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from musictk.garbage import frozen
from musictk.training.devices import autocast, tensors
from musictk.training.distributed import World
from musictk.training.feed import step_data
from musictk.training.outcome import SilentListener
from musictk.training.pace import Pace
from musictk.training.precision import resolve
from musictk.training.process import keep_freed_memory
from musictk.training.settings import TrainSettings
from musictk.training.task import Task
from musictk.training.threads import candidates, faster, use_threads
from musictk.training.trainer import Trainer

ROUNDS = 3  # with each number of threads in turn
ROUND_SECONDS = 0.15  # of the steps of a round with one number of threads, at least one step
MOST_SECONDS = 2.0  # after which no further round begins
WRITING = 300e6  # bytes per second of a checkpoint: copying, writing and checking
COPIES = 3  # of the size of the weights in a checkpoint: they and two running means of gradients
AVERAGED = 2  # more copies: the average and the weights in training


@dataclass(frozen=True)
class Measured:
    """What was measured of a run."""

    pace: Pace
    threads: int  # that it is fastest with


class Stopwatch:
    """A context manager that sums the time spent in it, and this process's CPU time."""

    wall = cpu = 0.0

    @property
    def core(self) -> float:
        """CPU seconds per second; 1 if no time was spent."""
        return self.cpu / self.wall if self.wall else 1.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


def measure(task: Task, settings: TrainSettings, world: World) -> Measured:
    """The pace of a run with these settings, from the share of one of its processes.

    Unless the settings give the number of threads, one thread and all are measured in turn, by wall
    time: beside other busy processes, one is often faster. `task.network` is trained, so give one
    that is built for this alone. The state of torch's random numbers is restored.
    """
    device = world.device
    whole = resolve(settings.but(compile=False, short_rows=0), device)
    settings = whole.but(batch=max(settings.loop.batch // world.size, 1))
    trainer = Trainer(task, settings, World(0, 1, device, "ddp"), Path(), SilentListener())
    random = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    keep_freed_memory()  # as in the run, which uses this memory again
    with random, frozen():
        trainer.build()
        seconds, core = _step_seconds(trainer)
        threads = faster(seconds, core)
        with use_threads(threads):
            evaluation = _evaluation(trainer, whole) if task.validates else 0.0
    weights = sum(each.numel() * each.element_size() for each in trainer.objective.parameters())
    copies = COPIES + (AVERAGED if settings.optimisation.averaging else 0)
    pace = Pace(seconds[threads], evaluation, copies * weights / WRITING)
    return Measured(pace, threads)


def _step_seconds(trainer: Trainer) -> tuple[dict[int, float], float]:
    """Seconds of a step with each number of threads, and the share of a core that one thread got.

    Each step has the data of a real one. A round is the mean of some steps, because a process that
    shares its cores is interrupted for longer than a short step takes. The median of the rounds
    counts.
    """
    rounds: dict[int, list[float]] = {
        count: [] for count in candidates(trainer.settings.precision.threads)
    }
    step, alone = _stepper(trainer), Stopwatch()
    for count in rounds:
        with use_threads(count):
            step()  # warms up
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for count, means in rounds.items():
            with use_threads(count), alone if count == 1 else nullcontext():
                times = [step()]
                while sum(times) < ROUND_SECONDS:
                    times.append(step())
            means.append(statistics.mean(times))
        if time.perf_counter() - began > MOST_SECONDS:
            break
    seconds = {count: statistics.median(means) for count, means in rounds.items()}
    return seconds, alone.core


def _stepper(trainer: Trainer) -> Callable[[], float]:
    """A function that takes the next step and returns its seconds, without reading its data."""
    settings, steps = trainer.settings, 0

    def step() -> float:
        nonlocal steps
        data = step_data(trainer.task, settings, steps, slice(0, settings.loop.batch))
        steps += 1
        began = time.perf_counter()
        trainer.step(data)
        return time.perf_counter() - began

    return step


@torch.no_grad()
def _evaluation(trainer: Trainer, settings: TrainSettings) -> float:
    """Seconds of an evaluation: one with a single batch, and forward passes for the others.

    `settings` have the batch of all processes: each of them validates alone.
    """
    task, device = trainer.task, trainer.world.device
    trainer.objective.eval()
    batch = task.batch(settings, 0, slice(0, settings.loop.batch))
    arguments = tensors(batch.arrays, device)
    with autocast(device, settings.precision.precision):
        float(trainer.objective(*arguments).sum())  # warms up
        began = time.perf_counter()
        float(trainer.objective(*arguments).sum())
        forward = time.perf_counter() - began
    began = time.perf_counter()
    task.validate(trainer.objective, settings.but(evaluate_batches=1), device)
    first = time.perf_counter() - began
    return first + max(task.evaluation_batches(settings) - 1, 0) * forward
