"""Loss and speed since the last report; peak memory."""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from musictk.training.distributed import World


class Meter:
    """Sums of cost, count and time; the cost stays on the device until it is read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cost = torch.zeros((), device=world.device)
        self._count, self._seconds = 0, 0.0

    def add(self, cost: Tensor, count: int, seconds: float) -> None:
        """One step: this process's summed cost, and the count over all processes."""
        self._cost = self._cost + cost
        self._count += count
        self._seconds += seconds

    def read(self) -> tuple[float, float]:
        """Mean cost, and count per second, since the last read."""
        loss = float(self._world.all_reduce(self._cost)) / max(self._count, 1)
        speed = self._count / max(self._seconds, 1e-9)
        self._cost = torch.zeros_like(self._cost)
        self._count, self._seconds = 0, 0.0
        return loss, speed


def peak_bytes(device: torch.device) -> int | None:
    """Peak memory: of the device on CUDA, of this process on a CPU; None where it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
