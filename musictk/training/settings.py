"""Every dial of training, in four frozen groups. Free of torch.

Keys are flat for people (`lr`, `batch`, `warmup`) and grouped for code (`optimisation.lr`): no two
groups share a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Optimisation:
    """How a gradient becomes a step, and what the gradient is of."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-3  # the highest rate; the schedule scales it
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.01  # of matrices; never of norms, biases, embeddings
    clip: float = 1.0  # the gradient's largest norm; 0 leaves it alone
    label_smoothing: float = 0.0  # of tokens; frames have none
    condition_dropout: float = 0.1  # how often a row is trained without its labels (for guidance)


@dataclass(frozen=True)
class Schedule:
    """How long, and the learning rate on the way."""

    steps: int = 1000
    schedule: Literal["cosine", "onecycle"] = "cosine"
    warmup: float = 0.05  # share of the steps; OneCycle's `pct_start`
    final: float = 0.05  # where cosine ends, as a share of `lr`
    patience: int = 0  # evaluations without a better one before stopping; 0 never stops early


@dataclass(frozen=True)
class Precision:
    """What it costs in time and memory."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False  # on CUDA; on a CPU it gains nothing and is left out
    recompute: bool = False  # activations of a block again in the backward pass (checkpointing)
    parallel: Literal["ddp", "fsdp"] = "ddp"  # under torchrun


@dataclass(frozen=True)
class Loop:
    """The data of a step, and how often the loop looks up."""

    seed: int = 0
    batch: int = 8  # rows of one forward pass, over all processes together
    accumulation: int = 1  # forward passes to a step
    length: int = 512  # positions of a row
    evaluate_every: int = 200
    evaluate_batches: int = 64  # of the validation split, evenly spread; 0 takes all of it
    checkpoint_every: int = 200
    log_every: int = 10
    tensorboard: bool = True


@dataclass(frozen=True)
class Settings:
    """All of it. `musictk.training` functions take this whole."""

    optimisation: Optimisation = field(default_factory=Optimisation)
    schedule: Schedule = field(default_factory=Schedule)
    precision: Precision = field(default_factory=Precision)
    loop: Loop = field(default_factory=Loop)

    def __post_init__(self) -> None:
        _require(self.schedule.steps > 0, "steps", self.schedule.steps, "above 0")
        _require(self.loop.batch > 0, "batch", self.loop.batch, "above 0")
        _require(self.loop.accumulation > 0, "accumulation", self.loop.accumulation, "above 0")
        _require(self.loop.length > 1, "length", self.loop.length, "above 1")
        dropout = self.optimisation.condition_dropout
        _require(0 <= dropout <= 1, "condition_dropout", dropout, "from 0 to 1")
        _require(0 <= self.schedule.warmup < 1, "warmup", self.schedule.warmup, "from 0 to 1")
        for name in ("evaluate_every", "checkpoint_every", "log_every"):
            _require(getattr(self.loop, name) > 0, name, getattr(self.loop, name), "above 0")

    def but(self, **values: Any) -> Settings:
        """These settings with some changed, by their flat names; strings are read as `--set` does.

        Raises UnknownNameError with the nearest name, UsageError for a value that does not fit.
        """
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
        """JSON-able, by flat names; `Settings().but(**flat)` reads it back."""
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


def _require(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise UsageError(f"setting of training {name}={value!r} must be {wanted}")
