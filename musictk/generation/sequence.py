"""The sequence of a piece that is being written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROOM = 1024  # positions, at first


class GrowingSequence:
    """Positions, (T,) ids or (T, W) frames, in a buffer that doubles when it is full."""

    def __init__(self, first: NDArray[Any]) -> None:
        self.length = len(first)
        room = max(_ROOM, 2 * self.length)
        self._buffer = np.zeros((room, *first.shape[1:]), first.dtype)
        self._buffer[: self.length] = first

    @property
    def written(self) -> NDArray[Any]:
        """The positions so far; a view."""
        return self._buffer[: self.length]

    def append(self, position: Any) -> None:
        """Add a token or a frame."""
        self._buffer[self.length] = position
        self.length += 1
        if self.length == len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.zeros_like(self._buffer)])

    def followed_by(self, position: Any, start: int) -> NDArray[Any]:
        """The positions from `start` on and then `position`, which is not added.

        A view into the free end of the buffer: read it before the next call.
        """
        self._buffer[self.length] = position
        return self._buffer[start : self.length + 1]
