"""The conditions that the positions of each bar are read with: with and without guidance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.controls.arrangement import REMAINING
from musictk.generation.bar_plan import BarPlan
from musictk.generation.ending import Ending
from musictk.generation.request import PieceRequest
from musictk.runtime.contract import Runtime

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]


class BarConditions:
    """The vectors of labels and controls of every bar, each in a row of one table.

    There are rows for the bars of a plan, for the same bars once they are the past of what is
    written, and for the bars of a given part. `guided`: whether guidance needs the second table.
    """

    def __init__(self, runtime: Runtime, request: PieceRequest, plan: BarPlan) -> None:
        mixture = runtime.manifest.conditions.mixture(request.conditions)
        # Only where music comes after the piece do its bars say how many are left to write.
        past = _written(plan) if request.after else plan.ids[:0]
        ids = np.concatenate([plan.ids, plan.beside, past])
        self._planned = len(plan.ids)
        self._past = len(ids) - len(past) if request.after else 0
        controlled = plan.controls.need_guidance(plan.chosen)
        # At the scale that controls need, labels would distort the music: both tables have them.
        labels = mixture if controlled else [[] for _ in mixture]
        self._runtime, self._plan = runtime, plan
        self._labels = runtime.condition(mixture)
        self._all = self._labels + runtime.control(ids)
        fixed = ids * plan.controls.structural
        self._without = runtime.condition(labels) + runtime.control(fixed)
        self._closing: dict[int, Vectors] = {}  # by key: the condition of the last bar
        self.guided = request.sampling.guidance != 1 and (any(mixture) or controlled)

    def of_plan(self, bars: Ints) -> Ints:
        """The rows of bars of the plan; later bars are as the last one."""
        return np.minimum(bars, self._planned - 1)

    def of_past(self, rows: Ints, now: int) -> Ints:
        """The rows of bars of the plan, with those before the bar `now` as the past of it."""
        return np.where(rows < now, self._past + rows, rows)

    def of_given(self, bars: Ints) -> Ints:
        """The rows of bars of the given part."""
        return self._planned + bars

    def conditional(self, rows: Ints, ending: Ending | None = None) -> Vectors:
        """(T, D) the conditions of rows; of the last bar, in the key in which the piece ends."""
        found = self._all[rows]
        if ending is None or ending.key is None or ending.bar not in rows:
            return found
        if ending.key not in self._closing:
            ids = self._plan.closing(ending.key)
            self._closing[ending.key] = self._labels + self._runtime.control(ids[None])[0]
        found[rows == ending.bar] = self._closing[ending.key]
        return found

    def unconditional(self, rows: Ints) -> Vectors:
        """(T, D) the same without what guidance strengthens."""
        return self._without[rows]


def _written(plan: BarPlan) -> NDArray[np.uint8]:
    """(N, S) the ids of the bars of a plan once they are part of the past."""
    ids = plan.ids.copy()
    ids[:, plan.controls.columns[REMAINING]] = 0
    return ids
