"""What a run tells while it goes, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Report:
    """The run as it stands after `step` of `steps`."""

    step: int
    steps: int
    loss: float  # nats per position over the steps since the last report, smoothing included
    lr: float
    norm: float  # of the last gradient, before clipping
    positions_per_second: float  # trained on, over all processes
    skipped: int  # steps whose gradient was not finite (fp16: at any scale)
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Validation, beside what a first-order model reaches on the whole of the same split."""

    step: int
    nll: float  # nats per position
    baseline: float | None
    best: bool  # the best so far
    by_position: Mapping[str, float] = field(default_factory=dict)  # nats, by where in the piece


class TrainListener(Protocol):
    """Hears of progress; the command line draws it."""

    def stepped(self, report: Report) -> None:
        """Every `log_every` steps, and after the last."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """After each look at the validation split."""

    def saved(self, path: Path) -> None:
        """A checkpoint stands at `path`."""


class Quiet:
    """Hears nothing."""

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
    best_nll: float | None  # nats per position; None where there was nothing to validate on
    baseline: float | None
    skipped: int
    seconds: float  # of training, evaluations apart
    positions_per_second: float
    peak_bytes: int  # of the device on CUDA, of the process on CPU
    digest: str  # of the last weights
    last: Path
    best: Path
    by_position: Mapping[str, float] = field(default_factory=dict)  # of `best_nll`
    why: str = ""  # it has diverged

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop; resume goes on to the same weights."""
        return self.ended == "interrupted"

    @property
    def diverged(self) -> bool:
        """Whether training on would be in vain; `best` is what was best before, if anything was."""
        return self.ended == "diverged"

    @property
    def kept_start(self) -> bool:
        """Whether nothing was better than the trained weights that it started from."""
        return self.best_step == 0 and self.best_nll is not None
