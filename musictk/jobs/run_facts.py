"""Facts about training runs: their settings as chosen, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musictk.training.outcome import Outcome
    from musictk.training.progress import Progress


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run that are known before its first step."""

    arch: str
    tokenizer: str
    size: str  # "custom" if it is none of `musictk.model.sizes.SIZES`
    unit: str  # of a position: "token" or "frame"
    parameters: int
    device: str
    precision: str  # "fp32", "bf16" or "fp16"
    slow: str  # why that precision is slow on this device; "" where it is not
    threads: int  # of each process on the CPU; 0: as many as torch uses by default
    train_positions: int
    steps: int
    seconds: float | None  # that the run is expected to take; None if that is not known
    batch: int
    length: int  # positions of a crop
    lr: float
    start: str | None  # the run that it fine-tunes
    seen: int  # pieces of the split valid that `start` was trained on
    shared: Mapping[str, tuple[str, ...]]  # category -> labels that share OTHER's vector
    threshold: int  # training pieces that a label needs for its own vector
    no_effect: tuple[str, ...]  # augmentation that changes nothing in these shards
    redrawn: bool  # it is resumed, and was started by an older version with other crops
    refused: tuple[str, ...]  # why pieces were left out by the tokenizer, one per piece


@dataclass(frozen=True)
class RunMetrics:
    """The results of a run, which are stored in the catalog.

    Only `ended` is known of a run without a checkpoint.
    """

    ended: str
    step: int | None = None
    best_step: int = 0
    best_nll: float | None = None  # nats per position
    baseline: float | None = None
    by_position: Mapping[str, float] = field(default_factory=dict)
    skipped: int = 0
    seconds: float = 0.0
    positions_per_second: float = 0.0
    parameters: int | None = None  # adapters merged
    peak_bytes: int | None = None
    why: str | None = None  # the reason it diverged

    @staticmethod
    def of_outcome(outcome: Outcome, parameters: int) -> RunMetrics:
        """The metrics of a run that ended by itself, or on a signal."""
        why = outcome.why if outcome.diverged else None
        metrics = RunMetrics.of_progress(outcome, outcome.ended)
        return replace(metrics, parameters=parameters, peak_bytes=outcome.peak_bytes, why=why)

    @staticmethod
    def of_progress(progress: Progress | Outcome, ended: str) -> RunMetrics:
        """The metrics of a run that ended otherwise, from its last checkpoint."""
        return RunMetrics(
            ended=ended,
            step=progress.step,
            best_step=progress.best_step,
            best_nll=progress.best_nll,
            baseline=progress.baseline,
            by_position=progress.by_position,
            skipped=progress.skipped,
            seconds=progress.seconds,
            positions_per_second=progress.positions_per_second,
        )

    def plain(self) -> dict[str, Any]:
        """The known metrics as JSON-able values."""
        if self.step is None:
            return {"ended": self.ended}
        unknown = {key for key in _OPTIONAL if getattr(self, key) is None}
        return {key: value for key, value in asdict(self).items() if key not in unknown}


_OPTIONAL = ("parameters", "peak_bytes", "why")
