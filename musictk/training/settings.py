"""The settings of training, in four frozen dataclasses. Free of torch.

Users set flat keys (`lr`, `batch`, `warmup`), code reads groups (`optimisation.lr`). Keys are
unique. To add a setting, add a field to a group, and its range to `RULES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any, ClassVar, Literal

from musictk.config import Rules, build, plain, require_all, translate
from musictk.errors import UnknownNameError


@dataclass(frozen=True)
class Optimisation:
    """The loss and the optimizer."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-3  # the peak learning rate; the schedule scales it
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.01  # of layers' matrices; not of norms, biases, embeddings
    clip: float = 1.0  # the largest gradient norm; 0 disables clipping
    label_smoothing: float = 0.0  # of tokens; frames have none
    condition_dropout: float = (
        0.1  # probability that a row is trained without labels (for guidance)
    )


@dataclass(frozen=True)
class Schedule:
    """The number of steps, and the learning rate over them."""

    steps: int = 1000
    schedule: Literal["cosine", "onecycle"] = "cosine"
    warmup: float = 0.05  # as a share of the steps; OneCycle's `pct_start`
    final: float = 0.05  # the last learning rate of cosine, as a share of `lr`
    patience: int = 0  # evaluations without improvement before training stops; 0 disables


@dataclass(frozen=True)
class Precision:
    """Precision, memory and parallelism."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False  # torch.compile, on CUDA only: on a CPU it gains nothing
    recompute: bool = False  # activation checkpointing, block by block
    parallel: Literal["ddp", "fsdp"] = "ddp"  # under torchrun


@dataclass(frozen=True)
class Loop:
    """The batch of a step, and the intervals of evaluation, checkpoints and logging, in steps."""

    seed: int = 0
    batch: int = 8  # rows of one forward pass, all processes together
    accumulation: int = 1  # forward passes per step
    length: int = 512  # positions of a row
    evaluate_every: int = 200
    evaluate_batches: int = 64  # of the validation split, evenly spread; 0 uses all of it
    checkpoint_every: int = 200
    keep_checkpoints: bool = False  # all of them as bundles, not only the last and the best
    log_every: int = 10
    tensorboard: bool = True


@dataclass(frozen=True)
class TrainSettings:
    """All settings of training."""

    RENAMED: ClassVar[Mapping[str, str]] = {}  # old flat name -> current one

    optimisation: Optimisation = field(default_factory=Optimisation)
    schedule: Schedule = field(default_factory=Schedule)
    precision: Precision = field(default_factory=Precision)
    loop: Loop = field(default_factory=Loop)

    def __post_init__(self) -> None:
        require_all(RULES, self.flat(), "training")

    def but(self, **values: Any) -> TrainSettings:
        """These settings with some changed, by flat key; strings are parsed as by `--set`.

        Raises UnknownNameError with the nearest key, UsageError for an invalid value.
        """
        values = translate(values, self.RENAMED)
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

RULES: Rules = (
    ("lr", lambda value: 0 < value < inf, "above 0"),
    ("steps batch accumulation", lambda value: value > 0, "above 0"),
    ("evaluate_every checkpoint_every log_every", lambda value: value > 0, "above 0"),
    ("length", lambda value: value > 1, "above 1"),
    ("weight_decay clip patience evaluate_batches", lambda value: 0 <= value < inf, "at least 0"),
    ("beta1 beta2 warmup", lambda value: 0 <= value < 1, "at least 0 and below 1"),
    ("label_smoothing condition_dropout final", lambda value: 0 <= value <= 1, "from 0 to 1"),
    ("seed", lambda value: 0 <= value < 2**63, "at least 0 and below 2 to the 63rd"),
)
