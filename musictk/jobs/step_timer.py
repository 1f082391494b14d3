"""Measure the runs that `RunConfig.fill` considers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from musictk.config import plain
from musictk.files import digest
from musictk.jobs.config import RunConfig
from musictk.model.memory import enough_memory
from musictk.training.distributed import World
from musictk.training.pace import Pace
from musictk.training.task import Task

if TYPE_CHECKING:
    from musictk.training.measure import Measured

SMALLER = "train with a smaller --set batch=N or --set length=N, or a smaller --size"
# Settings that do not change the time of a step, an evaluation or a checkpoint: the number of steps
# is chosen after the first measurement, and must not lead to a second one.
_PACELESS = ("steps", "lr", "patience", "evaluate_every", "checkpoint_every")


class StepTimer:
    """Measures runs by steps of their networks. Equal settings are measured once."""

    def __init__(
        self,
        task: Callable[[RunConfig], Task],
        world: World,
        measuring: Callable[[], None],
        began: float,
    ) -> None:
        """`task` builds one to be thrown away; `measuring` is called before each measurement."""
        self.device = world.device.type
        self._task, self._world = task, world
        self._measuring, self._began = measuring, began
        self._known: dict[str, Measured] = {}

    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    def pace(self, config: RunConfig) -> Pace:
        """The pace of a run with these settings."""
        return self._measured(config).pace

    def threads(self, config: RunConfig) -> int:
        """The number of threads that a run with these settings is fastest with."""
        return self._measured(config).threads

    def _measured(self, config: RunConfig) -> Measured:
        from musictk.training.measure import measure

        settings = config.train_settings
        relevant = {**settings.flat(), **dict.fromkeys(_PACELESS)}
        key = digest(plain(replace(config, train=relevant, budget=None)))
        if key not in self._known:
            self._measuring()
            with enough_memory(SMALLER):
                self._known[key] = measure(self._task(config), settings, self._world)
        return self._known[key]
