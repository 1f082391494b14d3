"""Convert ticks between resolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TickScale:
    """Converts ticks at `source` per quarter note to ticks at `target`, rounded to the nearest.

    Tick 0 becomes tick `start`. Works on integers and on integer arrays.
    """

    source: int
    target: int
    start: int = 0

    def __call__(self, ticks: Any) -> Any:
        return self.start + (2 * ticks * self.target + self.source) // (2 * self.source)
