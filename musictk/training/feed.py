"""The batches of each step, prepared one step ahead in a thread."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from musictk.training.settings import TrainSettings
from musictk.training.task import Task, TaskBatch


@dataclass(frozen=True)
class StepData:
    """This process's rows of one step."""

    parts: list[TaskBatch]  # one for each forward pass

    @property
    def count(self) -> int:
        """Positions (or rows) that count, over all passes and all processes."""
        return sum(part.count for part in self.parts)


def step_data(task: Task, settings: TrainSettings, step: int, rows: slice) -> StepData:
    """The rows `rows` of the batches of a step."""
    passes = settings.loop.accumulation
    draws = range(step * passes, (step + 1) * passes)
    return StepData([task.batch(settings, draw, rows) for draw in draws])


class Feed:
    """A context manager. `feed[step]` is the data of a step; the next one is prepared meanwhile."""

    def __init__(self, task: Task, settings: TrainSettings, rows: slice) -> None:
        self._task, self._settings, self._rows = task, settings, rows
        self._pool = ThreadPoolExecutor(1, "feed")
        self._ahead: tuple[int, Future[StepData]] | None = None

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __getitem__(self, step: int) -> StepData:
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._pool.submit(self._make, step))
        data = self._ahead[1].result()
        self._ahead = (step + 1, self._pool.submit(self._make, step + 1))
        return data

    def _make(self, step: int) -> StepData:
        return step_data(self._task, self._settings, step, self._rows)


def torch_seed(seed: int, draw: int, rank: int) -> int:
    """The seed of torch's random numbers (dropout) in one forward pass of one process."""
    return int(np.random.SeedSequence([*b"dropout", seed, draw, rank]).generate_state(1)[0])
