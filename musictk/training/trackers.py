"""The built-in trackers: TensorBoard, Weights & Biases and MLflow.

Their servers and accounts are configured by their own environment variables, such as WANDB_MODE and
MLFLOW_TRACKING_URI.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from musictk.errors import MusictkError
from musictk.training.events import TensorBoardEvents
from musictk.training.tracking import TrackedRun, Tracker


class TensorBoard(Tracker):
    """Event files in the run's directory, in `tensorboard/`."""

    def __init__(self) -> None:
        _library("tensorboard")

    def start(self, run: TrackedRun) -> str:
        events = TensorBoardEvents.open(run.directory / "tensorboard", run.step)
        assert events is not None, "the library is installed"
        self._events = events
        return run.name

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._events.write(step, metrics)

    def finish(self, ended: str) -> None:
        self._events.close()


class WandB(Tracker):
    """A run of Weights & Biases, in the project WANDB_PROJECT or `musictk`."""

    def __init__(self) -> None:
        self._wandb = _library("wandb")

    def start(self, run: TrackedRun) -> str:
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "musictk"),
            name=run.name,
            dir=str(run.directory),
            id=run.id or None,
            resume="allow" if run.id else None,
            config=dict(run.settings),
        )
        return str(self._run.id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def finish(self, ended: str) -> None:
        self._run.finish(exit_code=int(ended in ("diverged", "failed")))


class MLflow(Tracker):
    """A run of MLflow, in the experiment MLFLOW_EXPERIMENT_NAME or `musictk`."""

    def __init__(self) -> None:
        self._mlflow = _library("mlflow")

    def start(self, run: TrackedRun) -> str:
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ:
            self._mlflow.set_experiment("musictk")
        active = self._mlflow.start_run(run_id=run.id or None, run_name=run.name)
        if not run.id:  # parameters cannot be changed
            self._mlflow.log_params({key: str(value) for key, value in run.settings.items()})
        return str(active.info.run_id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(metrics), step=step)

    def finish(self, ended: str) -> None:
        status = {"interrupted": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
        self._mlflow.end_run(status=status.get(ended, "FINISHED"))


def _library(name: str) -> Any:
    """The module of a tracker; raises MusictkError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MusictkError(
            f"--track {name} needs a library that is not installed ({error})",
            f"run: pip install {name}",
        ) from error
