"""Defaults for the machine and the corpus: the size, batch, length and number of steps.

    device  length  batch                       budget
    cpu     256     8                           120 s, at most 1,800 s
    cuda    2048    as fits half the memory     20 passes over the corpus

A given time replaces the budget. The time of a step is measured (`musictk.training.measure`), with
that of an evaluation and a checkpoint. The size is the largest of tiny, small and base that trains
on at least as many positions as it has parameters within the time, and at least tiny; on CUDA
without a given time it is base. Large is chosen by users only. Without a given time, training
makes at most `PASSES` passes over the corpus. On a CPU, where few passes are made, dropout is off:
training is a third faster and better (1.588 against 1.625 nats after 350 steps of the demo).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import torch

from musictk.model.cost import matmul_weights
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.pace import ROUNDS, Pace
from musictk.training.recipe import RATES

# FLOP/s, where nothing can be measured: a CPU's per core.
FLOPS = {"cpu": 12e9, "cuda": 12e12}
SECONDS, MOST_SECONDS = 120.0, 1800.0
SMALL_CORPUS = 150_000  # positions for which SECONDS are budgeted; for more, in proportion
FEWEST_BETWEEN = 20  # steps between two evaluations of a short run
PASSES = 20
FEWEST_STEPS, MOST_STEPS = 100, 20_000
CPU_SHAPE: Mapping[str, Any] = {"batch": 8, "length": 256}
CPU_MODEL: Mapping[str, Any] = {"dropout": 0.0}
PATIENCE = 4  # with a given time: 0
GAIN = 4.0  # at most so many times the FLOP/s of a smaller size
ACTIVATION_BYTES = 0.05  # for the backward pass, per position and parameter, bf16

Rows = Callable[[int], int]  # length of a crop -> number of crops in one pass over the corpus
Paces = Callable[[str, Mapping[str, Any]], Pace]  # a size and its settings -> the pace of a run


@dataclass(frozen=True)
class Machine:
    """The hardware to train on."""

    device: str  # "cpu" or "cuda"
    cores: int = 1
    memory: int = 0  # bytes of the CUDA device


@dataclass(frozen=True)
class ChosenSettings:
    """Chosen defaults: `train` is for `TrainSettings().but(**train)`, `model` for the config."""

    size: str  # a key of `musictk.model.sizes.SIZES`
    train: Mapping[str, Any]
    model: Mapping[str, Any]
    seconds: float | None = None  # that the number of steps was chosen for


def choose_settings(
    arch: str,
    positions: int,
    device: str,
    size: str | None = None,
    model: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
    paces: Paces | None = None,
    seconds: Callable[[], float] | None = None,
) -> ChosenSettings:
    """Defaults for an architecture, this machine's `device` and a corpus of `positions`.

    Given values (`size`, `model`, `train`) are kept, and the rest is chosen to fit them. `rows`,
    `paces` and `seconds` as in `choose`.
    """
    kind = registry().load("architecture", arch)

    def parameters(name: str | None) -> int:
        return matmul_weights(kind, config_for(kind, name, model))

    return choose(
        this_machine(device), positions, parameters, size, train or {}, rows, paces, seconds
    )


def choose(
    machine: Machine,
    positions: int,
    parameters: Callable[[str | None], int],
    size: str | None = None,
    given: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
    paces: Paces | None = None,
    seconds: Callable[[], float] | None = None,
) -> ChosenSettings:
    """`choose_settings` as a pure function.

    `parameters` maps a size to the number of parameters that a body multiplies by. `rows` maps a
    length to the number of crops in one pass: more than `positions` / length, because the crops at
    the ends of pieces are padded. By default every crop is full. `paces` measures the pace of a
    size; by default it is estimated from 6 FLOPs per parameter and position (Kaplan et al. 2020).
    `seconds` is the time that is left for the run, if it is to take a given time.
    """
    given = given or {}
    timed, budget = seconds is not None, seconds
    if machine.device == "cuda":
        shape, model = _cuda_shape(machine, positions, parameters(size or "base")), {}
        size = size or (None if timed else "base")
    else:
        shape, model = dict(CPU_SHAPE), dict(CPU_MODEL)
        share = min(max(positions / SMALL_CORPUS, 1), MOST_SECONDS / SECONDS)
        budget = seconds or (lambda: SECONDS * share)
    shape |= {key: given[key] for key in ("batch", "length", "accumulation") if key in given}
    length = int(shape["length"])
    per_step = int(shape["batch"]) * length * int(shape.get("accumulation", 1))

    @cache
    def pace(name: str) -> Pace:
        if paces is not None:
            return paces(name, shape)
        cores = machine.cores if machine.device == "cpu" else 1
        return Pace(6 * max(parameters(name), 1) * per_step / (FLOPS[machine.device] * cores))

    if size is None:
        assert budget is not None
        size = _affordable(budget, per_step, pace, parameters)
    steps, rounds, chosen_for = given.get("steps"), ROUNDS, None
    if steps is None:
        # With padding, which takes time too.
        once = positions if rows is None else rows(length) * length
        steps = min(max(ceil(PASSES * once / per_step), FEWEST_STEPS), MOST_STEPS)
        if budget is not None:
            measured, left = pace(size), budget()
            fitting = measured.steps(left) if timed else max(measured.steps(left), FEWEST_STEPS)
            if timed or fitting < steps:
                steps, chosen_for = fitting, left
                rounds = measured.rounds(left) if timed else ROUNDS
    chosen = {
        "steps": steps,
        "lr": RATES[given.get("optimizer", "adamw")][size],
        "patience": 0 if timed else PATIENCE,
        **intervals(steps, rounds),
    }
    return ChosenSettings(size, shape | chosen, model, chosen_for)


def intervals(steps: int, rounds: int = ROUNDS) -> dict[str, int]:
    """The evaluation and checkpoint intervals of a run of `steps` steps."""
    every = max(steps // rounds, min(steps, FEWEST_BETWEEN))
    return {"evaluate_every": every, "checkpoint_every": every}


def this_machine(device: str = "cpu") -> Machine:
    """The cores this process may use, and the memory of its CUDA device."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if device != "cuda":
        return Machine("cpu", cores)
    return Machine("cuda", cores, torch.cuda.get_device_properties(0).total_memory)


def _affordable(
    seconds: Callable[[], float],
    per_step: int,
    pace: Callable[[str], Pace],
    parameters: Callable[[str | None], int],
) -> str:
    """The largest size that trains on as many positions as it has parameters; at least tiny.

    Sizes that are too large at any plausible speed are not measured.
    """
    tiny = pace("tiny")
    for size in ("base", "small"):
        least = tiny.step * parameters(size) / max(parameters("tiny"), 1) / GAIN
        if Pace(least).steps(seconds()) * per_step < parameters(size):
            continue
        if pace(size).steps(seconds()) * per_step >= parameters(size):
            return size
    return "tiny"


def _cuda_shape(machine: Machine, positions: int, parameters: int) -> dict[str, Any]:
    """A batch that fills half the memory; smaller if a small corpus would give too few steps."""
    length = 2048
    fitting = int(machine.memory / 2 / (ACTIVATION_BYTES * parameters * length))
    batch = 1 << min(max(fitting, 1).bit_length() - 1, 6)
    while batch > 1 and PASSES * positions < 10 * FEWEST_STEPS * batch * length:
        batch //= 2
    return {"batch": batch, "length": length}
