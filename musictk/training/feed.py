"""The data of each step, made one step ahead in a thread: a pure function of (seed, step)."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.crops import Batch, Crops
from musictk.training.settings import TrainSettings


@dataclass(frozen=True)
class StepData:
    """This process's rows of one step."""

    parts: list[Batch]  # one to a forward pass
    positions: int  # that count, over all parts and all processes


class Feed:
    """`feed[step]`, with the next step's data being made meanwhile. Use it in a `with`."""

    def __init__(self, crops: Crops, settings: TrainSettings, rows: slice) -> None:
        self._windows, self._settings, self._rows = crops, settings, rows
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
        loop = self._settings.loop
        parts, positions = [], 0
        for index in range(loop.accumulation):
            draw = step * loop.accumulation + index
            whole = self._windows.batch(loop.seed, draw, loop.batch, loop.length)
            positions += int(whole.mask.sum())
            rate = self._settings.optimisation.condition_dropout
            dropped = drop_conditions(whole.conditions, loop.seed, draw, rate)
            parts.append(_rows(replace(whole, conditions=dropped), self._rows))
        return StepData(parts, positions)


def drop_conditions(
    conditions: NDArray[np.int64], seed: int, draw: int, rate: float
) -> NDArray[np.int64]:
    """(B, K) ids with some set to 0, 'unconditional': whole rows with a chance of `rate`.

    With several categories each is also dropped by itself as often, so that any of them may be
    left open in generation.
    """
    rows, categories = conditions.shape
    chance = np.random.default_rng([*b"conditions", seed, draw]).random((rows, categories + 1))
    dropped = chance[:, :1] < rate
    if categories > 1:
        dropped = dropped | (chance[:, 1:] < rate)
    return np.where(dropped, 0, conditions)


def torch_seed(seed: int, draw: int, rank: int) -> int:
    """What dropout is seeded with before each forward pass."""
    return int(np.random.SeedSequence([*b"dropout", seed, draw, rank]).generate_state(1)[0])


def _rows(batch: Batch, rows: slice) -> Batch:
    return Batch(
        batch.inputs[rows],
        batch.targets[rows],
        batch.mask[rows],
        batch.conditions[rows],
        batch.pieces[rows],
        batch.starts[rows],
        batch.shifts[rows],
    )
