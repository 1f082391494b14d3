"""What generation needs of a model, whichever engine runs it. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.model.conditions import Mixture
from musictk.model.manifest import Manifest


class CapacityError(MusictkError):
    """A row would hold more positions than its session, or its model, has room for."""


class Session(Protocol):
    """Rows of running context. Rows may stand at different positions."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(B,) positions each row has taken."""

    @property
    def capacity(self) -> int:
        """The most positions a row can take."""

    def step(self, sequence: NDArray[Any], condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (B, T) ids or (B, T, W) frames under (B, D) conditions; return (B, T, V) logits.

        T > 1 is a prefill. Raises CapacityError where a row would pass `capacity`; nothing has
        been taken then.
        """

    def select(self, rows: Sequence[int]) -> Session:
        """A new session with copies of these rows (repeats allowed); this one stays as it is."""


class Runtime(Protocol):
    """A loaded bundle."""

    @property
    def name(self) -> str:
        """The engine: "torch", "torchscript" or "onnx"."""

    @property
    def manifest(self) -> Manifest:
        """What was loaded."""

    def begin(self, batch: int, capacity: int | None = None) -> Session:
        """Empty rows; `capacity` defaults to, and may not pass, `manifest.max_length`."""

    def join(self, sessions: Sequence[Session]) -> Session:
        """One session with copies of the rows of all of them, which must have equal capacity."""

    def condition(self, mixture: Mixture) -> NDArray[np.float32]:
        """(D,) the condition vector of weighted labels; see `Conditions.mixture`."""
