"""Defaults for the machine and the corpus: the size, batch, length and number of steps.

    device  length  batch                       budget                       precision
    cpu     256     4                           120 s, at most 1,800 s       fp32
    cuda    2048    as fits half the memory     20 passes over the corpus    bf16

On a CPU the size is the largest that trains on at least as many positions as it has parameters
within the budget, and at least tiny; on CUDA it is base. Training makes at most `PASSES` passes
over the corpus. Speed is estimated, not measured, from 6 FLOPs per parameter and position (Kaplan
et al. 2020), so equal machines choose equal settings. On a CPU, where few passes are made, dropout
is off: training is a third faster and better (1.588 against 1.625 nats after 350 steps of the
demo).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import torch

from musictk.model.cost import matmul_weights
from musictk.model.sizes import config_for
from musictk.plugin import registry

CPU_FLOPS = 12e9  # per second and core, forward and backward; 24e9 measured without other load
SECONDS, MOST_SECONDS = 120.0, 1800.0
SMALL_CORPUS = 150_000  # positions for which SECONDS are budgeted; for more, in proportion
FEWEST_BETWEEN = 20  # steps between two evaluations of a short run
PASSES = 20
FEWEST_STEPS, MOST_STEPS = 100, 20_000
RATES = {"tiny": 3e-3, "small": 1e-3, "base": 5e-4, "large": 3e-4}
ACTIVATION_BYTES = 0.05  # for the backward pass, per position and parameter, bf16

Rows = Callable[[int], int]  # length of a crop -> number of crops in one pass over the corpus


@dataclass(frozen=True)
class Machine:
    """The hardware to train on."""

    device: str  # "cpu" or "cuda"
    cores: int = 1
    memory: int = 0  # bytes of the CUDA device


@dataclass(frozen=True)
class ChosenSettings:
    """Chosen defaults: `train` is for `TrainSettings().but(**train)`, `model` for the config."""

    size: str | None  # a key of `musictk.model.sizes.SIZES`; None if its dimensions were given
    train: Mapping[str, Any]
    model: Mapping[str, Any]


def choose_settings(
    arch: str,
    positions: int,
    device: str,
    size: str | None = None,
    model: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
) -> ChosenSettings:
    """Defaults for an architecture, this machine's `device` and a corpus of `positions`.

    Given values (`size`, `model`, `train`) are kept, and the rest is chosen to fit them. `rows` as
    in `choose`.
    """
    kind = registry().load("architecture", arch)

    def parameters(name: str | None) -> int:
        return matmul_weights(kind, config_for(kind, name, model))

    return choose(this_machine(device), positions, parameters, size, train or {}, rows)


def choose(
    machine: Machine,
    positions: int,
    parameters: Callable[[str | None], int],
    size: str | None = None,
    given: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
) -> ChosenSettings:
    """`choose_settings` as a pure function.

    `parameters` maps a size to the number of parameters that a body multiplies by. `rows` maps a
    length to the number of crops in one pass: more than `positions` / length, because the crops at
    the ends of pieces are padded. By default every crop is full.
    """
    given = given or {}
    if machine.device == "cuda":
        size = size or "base"
        affordable, shape = inf, _cuda_shape(machine, positions, parameters(size))
        model = {}
    else:
        share = min(max(positions / SMALL_CORPUS, 1.0), MOST_SECONDS / SECONDS)
        work = SECONDS * share * CPU_FLOPS * machine.cores
        size = size or _affordable(work, parameters)
        affordable = work / (6 * max(parameters(size), 1))
        shape = {"batch": 4, "length": 256}
        model = {"dropout": 0.0}
    shape |= {key: given[key] for key in ("batch", "length", "accumulation") if key in given}
    length = int(shape["length"])
    per_step = int(shape["batch"]) * length * int(shape.get("accumulation", 1))
    once = (
        positions if rows is None else rows(length) * length
    )  # with padding, which takes time too
    seen = min(affordable, PASSES * once)
    steps = int(given.get("steps", min(max(ceil(seen / per_step), FEWEST_STEPS), MOST_STEPS)))
    chosen = {"steps": steps, "lr": RATES[size], "patience": 4, **intervals(steps)}
    return ChosenSettings(size, shape | chosen, model)


def intervals(steps: int) -> dict[str, int]:
    """The evaluation and checkpoint intervals of a run of `steps` steps."""
    every = max(steps // 10, min(steps, FEWEST_BETWEEN))
    return {"evaluate_every": every, "checkpoint_every": every}


def this_machine(device: str = "cpu") -> Machine:
    """The cores this process may use, and the memory of its CUDA device."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if device != "cuda":
        return Machine("cpu", cores)
    return Machine("cuda", cores, torch.cuda.get_device_properties(0).total_memory)


def _affordable(work: float, parameters: Callable[[str | None], int]) -> str:
    """The largest size that trains on as many positions as it has parameters; at least tiny."""
    fitting = [size for size in ("small", "base") if work / 6 >= parameters(size) ** 2]
    return fitting[-1] if fitting else "tiny"


def _cuda_shape(machine: Machine, positions: int, parameters: int) -> dict[str, Any]:
    """A batch that fills half the memory; smaller if a small corpus would give too few steps."""
    length = 2048
    fitting = int(machine.memory / 2 / (ACTIVATION_BYTES * parameters * length))
    batch = 1 << min(max(fitting, 1).bit_length() - 1, 6)
    while batch > 1 and PASSES * positions < 10 * FEWEST_STEPS * batch * length:
        batch //= 2
    return {"batch": batch, "length": length}
