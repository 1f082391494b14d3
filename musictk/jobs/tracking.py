"""Pass the progress of a run to its trackers. A tracker that fails does not end the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError
from musictk.files import cause, read_json, write_json
from musictk.plugin import registry
from musictk.training.outcome import Evaluation, Report, TrainListener
from musictk.training.tracking import TrackedRun, Tracker

IDS = "trackers.json"  # in the run's directory: tracker -> id by which it continues the run
Failed = Callable[[str, str], None]  # the tracker, and why


def make_trackers(names: Sequence[str]) -> dict[str, Tracker]:
    """A tracker of each name. Raises UnknownNameError, MusictkError for a missing library."""
    return {name: registry().load("tracker", name)() for name in names}


class Tracking:
    """A listener of the training loop: passes events to the trackers, then to `listener`."""

    def __init__(
        self, listener: TrainListener, trackers: Mapping[str, Tracker], failed: Failed
    ) -> None:
        self._listener, self._trackers, self._failed = listener, dict(trackers), failed

    def start(self, run: str, directory: Path, settings: Mapping[str, Any], step: int) -> None:
        """Begin or continue the run in every tracker."""
        ids = _ids(directory)
        for name in list(self._trackers):
            tracked = TrackedRun(run, directory, settings, step, ids.get(name, ""))

            def begin(tracker: Tracker, name: str = name, tracked: TrackedRun = tracked) -> None:
                ids[name] = tracker.start(tracked)

            self._guarded(name, begin)
        if ids:
            write_json(directory / IDS, ids)

    def stepped(self, report: Report) -> None:
        self._log("step", report.step, report.metrics)
        self._listener.stepped(report)

    def evaluated(self, evaluation: Evaluation) -> None:
        self._log("evaluation", evaluation.step, evaluation.metrics)
        self._listener.evaluated(evaluation)

    def saved(self, path: Path) -> None:
        self._listener.saved(path)

    def finish(self, ended: str) -> None:
        """End the run in every tracker; `ended` is as in `Outcome`, or "failed"."""
        for name in list(self._trackers):
            self._guarded(name, lambda tracker: tracker.finish(ended))
        self._trackers.clear()

    def _log(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        numbers = {
            f"{kind}/{key}": float(value)
            for key, value in values.items()
            if isinstance(value, int | float) and isfinite(value)
        }
        for name in list(self._trackers):
            self._guarded(name, lambda tracker: tracker.log(step, numbers))

    def _guarded(self, name: str, action: Callable[[Tracker], None]) -> None:
        """Call a tracker; drop it at its first error, with a warning."""
        try:
            action(self._trackers[name])
        except Exception as error:  # of any library
            self._failed(name, f"{type(error).__name__}: {cause(error)}")
            del self._trackers[name]


def _ids(directory: Path) -> dict[str, str]:
    with suppress(MusictkError):
        values = read_json(directory / IDS)
        if isinstance(values, dict):
            return {str(key): str(value) for key, value in values.items()}
    return {}
