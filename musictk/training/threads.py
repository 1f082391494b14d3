"""The number of threads that a process computes with. It changes the last bits of the weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from musictk.training.torchrun import variable

GAIN = 1.1  # the least gain of all threads over one for which they are used
SHARED_GAIN = 1.5  # the same on a machine whose cores other processes use
WHOLE = 0.8  # CPU seconds of one thread per second, below which other processes use the cores
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def all_threads() -> int:
    """The number that torch uses by default: that of the cores this process may use."""
    return torch.get_num_threads()


def given_threads(device: str, cores: int, environment: Mapping[str, str] = os.environ) -> int:
    """The number of threads that is not to be measured; 0 where it is.

    `OMP_NUM_THREADS` and `MKL_NUM_THREADS` count. Under torchrun the processes of this machine
    share its cores: torchrun sets `OMP_NUM_THREADS` to 1 unless the user sets it, so 1 is not taken
    as the user's choice there. With CUDA the number hardly matters.
    """
    processes = variable("LOCAL_WORLD_SIZE", 1, environment)
    if processes > 1 and environment.get("OMP_NUM_THREADS", "1") == "1":
        return max(cores // processes, 1)
    if device != "cpu" or any(name in environment for name in _VARIABLES):
        return all_threads()
    return 0


def candidates(given: int) -> tuple[int, ...]:
    """The numbers of threads to measure: the one that is given, or one and all."""
    if given:
        return (given,)
    return tuple(sorted({1, all_threads()}))


def faster(seconds: Mapping[int, float], core: float = 1.0) -> int:
    """The number of threads to use, given the seconds of a step with each.

    `core` is the share of a core that one thread got. More threads use more CPU time for the same
    work, so they have to gain at least `GAIN`, beside other processes `SHARED_GAIN`: there two
    threads that gain less keep less than 0.7 of their share of the cores.
    """
    few, many = min(seconds), max(seconds)
    least = GAIN if core >= WHOLE else SHARED_GAIN
    return many if seconds[few] >= least * seconds[many] else few


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads meanwhile; 0 changes nothing."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            torch.set_num_threads(before)
