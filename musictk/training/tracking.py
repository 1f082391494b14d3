"""Trackers: services that a run is logged to besides `log.jsonl`. Free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrackedRun:
    """The run that a tracker logs."""

    name: str
    directory: Path  # runs/NAME, for files of the tracker
    settings: Mapping[str, Any]  # JSON-able, by the name that `--set` takes, such as "model.dim"
    step: int  # the first one that is logged is after it: above 0 for a resumed run
    id: str  # what `start` returned when the run began; "" for a new run


class Tracker(ABC):
    """Logs one run. Created without arguments before anything is encoded.

    `__init__` imports the library of the tracker and raises MusictkError if it is not installed.
    An error of any other method is shown once; training then continues without the tracker.
    """

    @abstractmethod
    def start(self, run: TrackedRun) -> str:
        """Begin, or continue the run that has the id `run.id`; returns the id to continue it by."""

    @abstractmethod
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The finite numbers of one entry of `log.jsonl`, by `KIND/NAME`: "evaluation/nll"."""

    @abstractmethod
    def finish(self, ended: str) -> None:
        """The run is finished (or "patience"), "interrupted", "diverged" or "failed"."""
