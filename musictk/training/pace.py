"""The time that a run takes: estimates, and the number of steps that fit into a time. No torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from musictk.training.settings import TrainSettings

ROUNDS = 10  # evaluations of a run whose steps are chosen, if they take little of its time
EVALUATING = 0.2  # the most that evaluations and their checkpoints may take of a given time
FEWEST = 10  # steps of a run with a given time
TOLERANCE = 0.01  # of the whole time: smaller deviations change nothing


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a run take."""

    step: float
    evaluation: float = 0.0  # one evaluation of the valid split
    checkpoint: float = 0.0  # writing one checkpoint

    @property
    def round(self) -> float:
        """An evaluation, and the checkpoint after it."""
        return self.evaluation + self.checkpoint

    @property
    def shortest(self) -> float:
        """The shortest run: a few steps, and one evaluation."""
        return FEWEST * self.step + self.round

    def rounds(self, seconds: float) -> int:
        """How many evaluations a run of so many seconds should have."""
        return max(1, min(ROUNDS, int(EVALUATING * seconds / max(self.round, 1e-9))))

    def steps(self, seconds: float) -> int:
        """The number of steps that fit into so many seconds beside those evaluations."""
        left = seconds - self.rounds(seconds) * self.round
        return max(int(left / max(self.step, 1e-9)), 1)

    def seconds(self, settings: TrainSettings, done: int = 0) -> float:
        """The time that a run still takes after `done` of its steps."""
        end, loop = settings.schedule.end, settings.loop
        if done >= end:
            return 0.0
        evaluations = ceil(end / loop.evaluate_every) - done // loop.evaluate_every
        saved = ceil(end / loop.checkpoint_every) - done // loop.checkpoint_every
        checkpoints = max(evaluations, saved, 1)  # one may follow each evaluation
        spent = max(evaluations, 1) * self.evaluation + checkpoints * self.checkpoint
        return (end - done) * self.step + spent


class Pacer:
    """The pace of a run as it is observed, and its last step where it has a deadline."""

    def __init__(
        self,
        deadline: float | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deadline` is a value of `clock`; `pace` is what is expected before the first step."""
        self._deadline, self._clock = deadline, clock
        self._begun = clock()
        self._checked = 0
        self.pace = pace or Pace(0.0)

    def stepped(self, seconds: float, step: int) -> None:
        """A step took so many seconds. The mean forgets those of long ago."""
        weight = 1 / min(max(step // 10, 10), 1000) if self.pace.step else 1.0
        self.pace = Pace(
            self.pace.step + weight * (seconds - self.pace.step),
            self.pace.evaluation,
            self.pace.checkpoint,
        )

    def evaluated(self, seconds: float) -> None:
        """An evaluation took so many seconds."""
        self.pace = Pace(self.pace.step, seconds, self.pace.checkpoint)

    def saved(self, seconds: float) -> None:
        """A checkpoint took so many seconds."""
        self.pace = Pace(self.pace.step, self.pace.evaluation, seconds)

    def due(self, step: int, settings: TrainSettings) -> bool:
        """Whether the end of the run should be checked again after this step."""
        if self._deadline is None or step < self._checked + _check_every(settings):
            return False
        self._checked = step
        return True

    def end(self, step: int, settings: TrainSettings) -> int:
        """The last step that ends the run at its deadline; the planned one if that is close.

        `step` steps are done, with the evaluation after them; there is always another one.
        """
        if self._deadline is None:
            return settings.schedule.end
        now = self._clock()
        late = now + self.pace.seconds(settings, step) - self._deadline
        if abs(late) <= TOLERANCE * (self._deadline - self._begun):
            return settings.schedule.end
        return max(settings.schedule.end - ceil(late / max(self.pace.step, 1e-9)), step + 1)

    def replan(
        self, step: int, settings: TrainSettings, agree: Callable[[float], float]
    ) -> TrainSettings:
        """The settings after this step: with another end where the deadline needs one.

        `agree` gives every process the value of the first one. The settings keep every change, so
        that a resumed or repeated run has the same learning rates.
        """
        if step >= settings.schedule.end or not self.due(step, settings):
            return settings
        end, schedule = int(agree(self.end(step, settings))), settings.schedule
        if end == schedule.end:
            return settings
        replanned = (*schedule.replanned, (step, end))
        return replace(settings, schedule=replace(schedule, replanned=replanned))


def _check_every(settings: TrainSettings) -> int:
    """Steps between two checks of the deadline: about fifty in a run."""
    return max(settings.schedule.end // 50, 1)
