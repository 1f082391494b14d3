"""The events of a run, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Report:
    """The run after `step` of `steps`."""

    step: int
    steps: int
    loss: float  # mean since the last report, label smoothing included: nats per position
    lr: float
    norm: float  # of the last gradient, before clipping
    positions_per_second: float  # trained on, over all processes
    skipped: int  # steps whose gradient was not finite (fp16: at any scale)
    seconds: float
    left: float = 0.0  # seconds that the run is expected to take from here, evaluations included

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged of it."""
        unlogged = ("step", "steps", "left")
        return {key: value for key, value in vars(self).items() if key not in unlogged}


@dataclass(frozen=True)
class Evaluation:
    """A validation score, and the task's baseline on the whole of the same split."""

    step: int
    nll: float  # the task's validation cost: nats per position in language modelling
    baseline: float | None
    best: bool  # the best so far
    by_position: Mapping[str, float] = field(default_factory=dict)  # by band (or the task's groups)

    @property
    def metrics(self) -> dict[str, float | None]:
        """What is logged of it."""
        values = {"nll": self.nll, "baseline": self.baseline, "best": self.best}
        return values | {f"nll_{name}": cost for name, cost in self.by_position.items()}


class TrainListener(Protocol):
    """Receives the progress of a run; the command line draws it."""

    def stepped(self, report: Report) -> None:
        """Every `log_every` steps, and after the last."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """After each evaluation on the validation split."""

    def saved(self, path: Path) -> None:
        """After a checkpoint is written to `path`."""


class SilentListener:
    """Ignores every event; a base class for listeners that need only some."""

    def stepped(self, report: Report) -> None: ...

    def evaluated(self, evaluation: Evaluation) -> None: ...

    def saved(self, path: Path) -> None: ...


Ended = Literal["finished", "patience", "interrupted", "diverged"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    ended: Ended
    step: int
    best_step: int
    best_nll: float | None  # as Evaluation.nll; None without a validation split
    baseline: float | None
    skipped: int
    seconds: float  # of training, without evaluations
    positions_per_second: float
    peak_bytes: int | None  # of the device on CUDA, of the process on CPU; None if not known
    digest: str  # of the last weights
    last: Path
    best: Path
    by_position: Mapping[str, float] = field(default_factory=dict)  # of `best_nll`
    why: str = ""  # the reason it diverged
    replanned: tuple[tuple[int, int], ...] = ()  # as the setting, where it had a deadline

    @property
    def interrupted(self) -> bool:
        """Whether a signal stopped it; resumed, it ends with the same weights."""
        return self.ended == "interrupted"

    @property
    def diverged(self) -> bool:
        """Whether it diverged; `best` is the best checkpoint from before, if there is one."""
        return self.ended == "diverged"

    @property
    def kept_start(self) -> bool:
        """Whether no checkpoint was better than the weights that fine-tuning started from."""
        return self.best_step == 0 and self.best_nll is not None
