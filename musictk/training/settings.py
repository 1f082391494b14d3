"""The settings of training, in four frozen dataclasses. Free of torch.

Users set flat keys (`lr`, `batch`, `warmup`), code reads groups (`optimisation.lr`). Keys are
unique. To add a setting, add a field to a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Literal

from musictk.config import build, check_settings, plain, renamed, setting, translate
from musictk.errors import UnknownNameError

PrecisionName = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Optimisation:
    """The loss and the optimizer."""

    optimizer: Literal["adamw", "muon"] = setting(
        "adamw",
        "Optimizer: AdamW, or Muon for the matrices of the backbone and AdamW for the rest.",
    )
    muon_steps: int = setting(
        5, "Newton-Schulz iterations of Muon; fewer take less time.", low=1, high=10
    )
    lr: float = setting(
        1e-3, "Peak learning rate, which the schedule scales.", above=0, automatic=True
    )
    beta1: float = setting(
        0.9, "Adam's beta1: decay rate of the running mean of gradients.", below=1
    )
    beta2: float = setting(
        0.95, "Adam's beta2: decay rate of the running mean of squared gradients.", below=1
    )
    weight_decay: float = setting(
        0.01, "Decoupled weight decay of weight matrices, not of norms, biases and embeddings."
    )
    averaging: float = setting(
        0.0,
        "Part of the steps over which weights are averaged, to be scored and kept (0: off).",
        high=1,
    )
    clip: float = setting(1.0, "Maximum gradient norm; larger gradients are scaled down (0: off).")
    label_smoothing: float = setting(
        0.0, "Label smoothing of the cross-entropy; has no effect on piano-roll frames.", high=1
    )
    condition_dropout: float = setting(
        0.1,
        "Probability that a row is trained without its labels, for classifier-free guidance.",
        high=1,
    )


def _ordered(pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether steps increase, and each is at most the last step that is planned at it."""
    steps = [after for after, _ in pairs]
    increase = all(one < other for one, other in pairwise(steps))
    return increase and all(0 < after <= end for after, end in pairs)


@dataclass(frozen=True)
class Schedule:
    """The number of steps, and the learning rate over them."""

    steps: int = setting(1000, "Optimizer steps of the run.", above=0, automatic=True)
    schedule: Literal["cosine", "onecycle", "wsd"] = setting(
        "cosine",
        "Learning-rate schedule: warm-up and cosine, OneCycle, or warm-up-stable-decay (wsd).",
    )
    warmup: float = setting(
        0.05, "Warm-up steps as a fraction of all steps (`pct_start` of OneCycle).", below=1
    )
    decay: float = setting(
        0.4,
        "Last part of the steps, over which the rate of the wsd schedule falls (0: never).",
        high=1,
    )
    final: float = setting(
        0.05, "Final learning rate of the cosine and wsd schedules, as a fraction of `lr`.", high=1
    )
    patience: int = setting(
        0,
        "Evaluations without improvement before training stops; wsd counts in its decay (0: off).",
        automatic=True,
    )
    replanned: tuple[tuple[int, int], ...] = setting(
        (),
        "Changes of the last step by --minutes; [[200, 900]]: after step 200, it became 900.",
        check=_ordered,
        words="[step, steps] pairs with increasing steps",
    )

    @property
    def end(self) -> int:
        """The last step: `steps`, or what it was changed to."""
        return self.replanned[-1][1] if self.replanned else self.steps

    def planned(self, step: int) -> float:
        """The step of the first plan that has the learning rate of `step` (both from 0).

        Every change of the end stretches or shortens what is left of the schedule.
        """
        if not self.replanned:
            return step
        begin, at, end = 0, 0.0, self.steps
        for after, steps in self.replanned:
            if step < after:
                break
            at += (after - begin) * (self.steps - at) / max(end - begin, 1)
            begin, end = after, steps
        return at + (step - begin) * (self.steps - at) / max(end - begin, 1)


@dataclass(frozen=True)
class Precision:
    """Precision, memory and parallelism."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "auto",
        "Floating-point precision, fp16 and bf16 mixed; auto: bf16 on a device that is fast at it.",
    )
    threads: int = setting(
        0,
        "CPU threads of each process (0: OMP_NUM_THREADS, else one or all, as measured).",
    )
    compile: bool = setting(
        False, "Compile the model with torch.compile (no effect on a CPU).", needs="CUDA"
    )
    recompute: bool = setting(
        False, "Activation checkpointing: less memory, about a third more computation."
    )
    parallel: Literal["ddp", "fsdp"] = setting(
        "ddp", "Data parallelism: replicated (DDP) or sharded (FSDP) weights.", needs="torchrun"
    )


@dataclass(frozen=True)
class Loop:
    """The batch of a step, and the intervals of evaluation, checkpoints and logging."""

    seed: int = setting(0, "Random seed.", below=2**63, words="at least 0 and below 2 to the 63rd")
    batch: int = setting(
        8, "Batch size: rows per forward pass, over all processes.", above=0, automatic=True
    )
    accumulation: int = setting(
        1, "Gradient accumulation: forward passes per optimizer step.", above=0
    )
    length: int = setting(
        512, "Sequence length of a row, in tokens or frames.", above=1, automatic=True
    )
    short_rows: float = setting(
        0.0,
        "Part of the steps, from the first, with rows of half the length, and twice as many rows.",
        high=1,
    )
    evaluate_every: int = setting(
        200, "Steps between two evaluations on the valid split.", above=0, automatic=True
    )
    evaluate_batches: int = setting(
        64, "Batches per evaluation, spread evenly over the valid split (0: all)."
    )
    checkpoint_every: int = setting(200, "Steps between two checkpoints.", above=0, automatic=True)
    keep_checkpoints: bool = setting(
        False, "Keep every checkpoint as a bundle, not only the last and the best."
    )
    log_every: int = setting(10, "Logging interval, in steps.", above=0)
    tensorboard: bool = setting(True, "Write a TensorBoard event file.")

    def rows(self, step: int, steps: int) -> tuple[int, int]:
        """The batch size and length at `step` (from 0) of a run that is planned for `steps`."""
        short = self.length >= 4 and step < self.short_rows * steps
        return (2 * self.batch, self.length // 2) if short else (self.batch, self.length)

    @property
    def keep_every(self) -> int:
        """Steps between two checkpoints that are kept; 0: only the last and the best are."""
        return self.checkpoint_every if self.keep_checkpoints else 0


@dataclass(frozen=True)
class TrainSettings:
    """All settings of training."""

    optimisation: Optimisation = field(default_factory=Optimisation)
    schedule: Schedule = field(default_factory=Schedule)
    precision: Precision = field(default_factory=Precision)
    loop: Loop = field(default_factory=Loop)

    def __post_init__(self) -> None:
        for name in GROUPS:
            check_settings(getattr(self, name), "training")

    def but(self, **values: Any) -> TrainSettings:
        """These settings with some changed, by flat key; strings are parsed as by `--set`.

        Raises UnknownNameError with the nearest key, UsageError for an invalid value.
        """
        values = translate(values, renamed(TrainSettings))
        for key in values:
            if key not in GROUP_OF:
                raise UnknownNameError("setting of training", key, GROUP_OF)
        groups: dict[str, Any] = {}
        for name, kind in GROUPS.items():
            mine = {key: value for key, value in values.items() if GROUP_OF[key] == name}
            if mine:
                groups[name] = build(kind, plain(getattr(self, name)) | mine, "training")
        return replace(self, **groups)

    def flat(self) -> dict[str, Any]:
        """JSON-able, by flat key; `TrainSettings().but(**flat)` reads it back."""
        return {key: value for name in GROUPS for key, value in plain(getattr(self, name)).items()}


GROUPS: Mapping[str, type] = {
    "optimisation": Optimisation,
    "schedule": Schedule,
    "precision": Precision,
    "loop": Loop,
}
GROUP_OF: Mapping[str, str] = {
    key.name: name for name, kind in GROUPS.items() for key in fields(kind)
}
