"""Loss and speed since the last look; memory."""

from __future__ import annotations

import resource
import sys

import torch
from torch import Tensor

from musictk.training.distributed import World


class Meter:
    """Sums what steps cost; the tensors stay on the device until they are read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._nats = torch.zeros((), device=world.device)
        self._positions, self._seconds = 0, 0.0

    def add(self, nats: Tensor, positions: int, seconds: float) -> None:
        """One step: this process's nats, all processes' positions."""
        self._nats = self._nats + nats
        self._positions += positions
        self._seconds += seconds

    def read(self) -> tuple[float, float]:
        """Nats per position, and positions a second, since the last read."""
        loss = float(self._world.sum(self._nats)) / max(self._positions, 1)
        speed = self._positions / max(self._seconds, 1e-9)
        self._nats = torch.zeros_like(self._nats)
        self._positions, self._seconds = 0, 0.0
        return loss, speed


def peak_bytes(device: torch.device) -> int:
    """The most memory taken: of the device on CUDA, of this process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
