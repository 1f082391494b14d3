"""The work that `benchmarks.shared` measures, in a process of its own.

    python -m benchmarks.shared_work training|sampling THREADS SECONDS ROUNDS BUSY

Prints a JSON object for each round.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from musictk.config import plain
from musictk.export import export_onnx
from musictk.model import bundle
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.runtime import load
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Tokens
from musictk.training.distributed import World
from musictk.training.feed import StepData
from musictk.training.measure import measure
from musictk.training.objective import NextPosition, Objective
from musictk.training.outcome import SilentListener
from musictk.training.precision import resolve
from musictk.training.settings import TrainSettings
from musictk.training.task import Costs, Task, TaskBatch, Validation
from musictk.training.threads import use_threads
from musictk.training.trainer import Trainer

SPACE = Tokens(419)  # the vocabulary of the field's usual REMI settings
CONTEXT = 1024  # tokens after which sampling begins again
SETTLING = 0.5  # seconds until the busy processes run
Step = Callable[[], object]


class RandomMusic(Task):
    """Next tokens of random rows."""

    @property
    def data(self) -> str:
        return ""

    @property
    def validates(self) -> bool:
        return False

    def objective(self, settings: TrainSettings) -> Objective:
        return NextPosition(self.network, SPACE)

    def batch(self, settings: TrainSettings, draw: int, rows: slice) -> TaskBatch:
        count, length = rows.stop - rows.start, settings.loop.length
        ids = np.random.default_rng(draw).integers(3, SPACE.size, (count, length + 1))
        mask = np.ones((count, length), bool)
        labels = np.zeros((count, len(self.network.tables)), np.int64)
        return TaskBatch((ids[:, :-1], ids[:, 1:], mask, labels), count * length)

    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        raise NotImplementedError


def training(source: Path, threads: int, count: int) -> tuple[Step, int]:
    """A training step, and its number of threads: chosen beside `count` busy processes if 0."""
    world = World(0, 1, torch.device("cpu"), "ddp")
    settings = TrainSettings().but(batch=4, length=256, threads=threads)
    if not threads:
        with busy(count):
            threads = measure(RandomMusic(*bundle.read(source)), settings, world).threads
    task = RandomMusic(*bundle.read(source))
    settings = resolve(settings, "cpu")
    trainer = Trainer(task, settings, world, Path(), SilentListener())
    trainer.build()
    data = StepData([task.batch(settings, 0, slice(0, 4))])
    return lambda: trainer.step(data), threads


def sampling(source: Path, threads: int, count: int) -> tuple[Step, int]:
    """A step of the exported network, and its number of threads."""
    export_onnx(source, source.with_name("onnx"))
    runtime = load(source.with_name("onnx"), None, threads, "cpu")
    session, steps = runtime.begin(1, CONTEXT), 0
    condition = np.zeros((1, config_for(_gpt(), "tiny").dim), np.float32)

    def step() -> None:
        nonlocal session, steps
        if steps % CONTEXT == CONTEXT - 1:
            session = runtime.begin(1, CONTEXT)
        steps += 1
        session.step(np.full((1, 1), 5), condition)

    return step, threads


def _gpt() -> type:
    return registry().load("architecture", "gpt")


@contextmanager
def busy(count: int) -> Iterator[Callable[[], float]]:
    """So many busy processes meanwhile; yields a function for their mean CPU seconds so far."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(count)]
    paths = [Path(f"/proc/{each.pid}/schedstat") for each in running]
    try:
        time.sleep(SETTLING)
        yield lambda: sum(int(path.read_text().split()[0]) for path in paths) / count / 1e9
    finally:
        for each in running:
            each.kill()
            each.wait()


def rates(step: Step, seconds: float) -> tuple[float, float, float]:
    """Steps per second, per CPU second, and the seconds they took."""
    begin, used, done = time.perf_counter(), time.process_time(), 0
    while not done or time.perf_counter() < begin + seconds:
        step()
        done += 1
    wall = time.perf_counter() - begin
    return done / wall, done / (time.process_time() - used), wall


def rounds(step: Step, threads: int, seconds: float, count: int) -> Iterator[dict[str, float]]:
    """What each round finds; endless."""
    while True:
        with use_threads(1):
            step()
            _, alone, _ = rates(step, seconds)
        with use_threads(threads), busy(count) as busy_seconds:
            step()
            before = busy_seconds()
            speed, per_cpu, wall = rates(step, seconds)
            fair_cpu = threads * (busy_seconds() - before) / wall
        fair = alone * fair_cpu
        yield {
            "threads": threads,
            "share": speed / fair,
            "cpu share": speed / per_cpu / fair_cpu,
            "efficiency": per_cpu / alone,
            "fair": fair,
            "speed": speed,
        }


def main() -> None:
    """Prepare the work and print what each round finds."""
    work, threads, seconds, number, count = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "torch"
        config = config_for(_gpt(), "tiny", {"max_length": CONTEXT})
        write_untrained(source, "gpt", Blank(SPACE), **plain(config))
        prepare = {"training": training, "sampling": sampling}[work]
        step, used = prepare(source, int(threads), int(count))
        step()
        found = rounds(step, used, float(seconds), int(count))
        for _ in range(int(number)):
            print(json.dumps(next(found)), flush=True)


if __name__ == "__main__":
    main()
