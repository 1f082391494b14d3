"""The progress of a run (steps, best score, skipped updates), and the test for divergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from typing import Any

from musictk.config import Rules, build, renamed, require_all, translate
from musictk.errors import MusictkError, UsageError
from musictk.training.directory import DAMAGED, CheckpointError
from musictk.training.settings import TrainSettings

MOST_SKIPPED = 20  # updates in a row without a finite gradient, before a run counts as diverged
NEWER = "upgrade musictk"
_RULES: Rules = (
    (
        "step evaluated best_step stale skipped skipped_in_row positions seconds",
        lambda value: 0 <= value < inf,
        "at least 0",
    ),
)


@dataclass
class Progress:
    """The state of a run without its tensors; everything else follows from (seed, step)."""

    step: int = 0  # steps done
    evaluated: int = 0  # the step of the last evaluation
    best_step: int = 0
    best_nll: float | None = None
    stale: int = 0  # evaluations since the best one that count for early stopping
    skipped: int = 0  # updates whose gradient was not finite
    skipped_in_row: int = 0  # of those, the latest without a finite one between them
    positions: int = 0
    seconds: float = 0.0  # of training, without evaluation
    baseline: float | None = None
    by_position: Mapping[str, float] = field(default_factory=dict)  # of `best_nll`

    @staticmethod
    def read(values: Mapping[str, Any]) -> Progress:
        """From `trainer.json`. Keys that an older musictk did not write take their defaults.

        Raises CheckpointError for values that no run can have written.
        """
        known = {each.name for each in fields(Progress)}
        if unknown := sorted(set(values) - known):
            raise MusictkError(f"a newer musictk wrote this checkpoint ({unknown[0]})", NEWER)
        try:
            progress = build(Progress, values, "progress")
            require_all(_RULES, vars(progress), "progress")
        except UsageError as error:
            raise CheckpointError(f"the checkpoint is damaged: {error.message}", DAMAGED) from error
        if progress.best_nll is not None and not isfinite(progress.best_nll):
            progress.best_nll = None  # older versions stored infinity
        return progress

    @property
    def positions_per_second(self) -> float:
        """The mean speed of training, over all processes."""
        return self.positions / max(self.seconds, 1e-9)

    def count(self, positions: int, seconds: float) -> None:
        """Count a step."""
        self.step += 1
        self.positions += positions
        self.seconds += seconds

    def updated(self, finite: bool) -> None:
        """Count an update of the weights, or one that was skipped."""
        self.skipped += not finite
        self.skipped_in_row = 0 if finite else self.skipped_in_row + 1

    def scored(self, nll: float, early: bool = False) -> bool:
        """Count an evaluation; return whether it is the best so far (never if not finite).

        An `early` one, before the rate falls, does not count for early stopping.
        """
        better = isfinite(nll) and (self.best_nll is None or nll < self.best_nll)
        self.stale = 0 if better or early else self.stale + 1
        if better:
            self.best_step, self.best_nll = self.step, nll
        return better

    def diverged(self, nll: float | None, finished: bool) -> str:
        """Why the run has diverged, given its last evaluation `nll`; "" if it has not.

        Validation that is not finite, `MOST_SKIPPED` skipped updates in a row, or a run that ends
        with at least half of its updates skipped.
        """
        if nll is not None and not isfinite(nll):
            return "validation is not a finite number"
        if self.skipped_in_row >= MOST_SKIPPED:
            return f"no gradient of the last {self.skipped_in_row} steps was finite"
        if finished and self.skipped and 2 * self.skipped >= self.step:
            return f"{self.skipped} of {self.step} gradients were not finite"
        return ""


def stored_settings(values: Mapping[str, Any]) -> TrainSettings:
    """The settings in `trainer.json`; keys that an older musictk lacked take their defaults."""
    values = {"precision": "fp32"} | translate(values, renamed(TrainSettings))  # before `auto`
    if unknown := sorted(set(values) - set(TrainSettings().flat())):
        raise MusictkError(f"a newer musictk began this run (setting {unknown[0]})", NEWER)
    return TrainSettings().but(**values)


def lower_rate(lr: float) -> str:
    """The hint for a run that diverged at this learning rate."""
    return f"train again with a lower learning rate, such as --set lr={min(lr / 10, 1e-3):.2g}"
