"""The interface between generation and the runtimes. Free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.model.conditions import Mixture
from musictk.model.manifest import Manifest


class CapacityError(MusictkError):
    """A row would pass the capacity of its session, or of its model."""


class Session(Protocol):
    """Rows of model state, which may be at different positions."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(B,) positions processed in each row."""

    @property
    def capacity(self) -> int:
        """The most positions that a row can hold."""

    def step(self, sequence: NDArray[Any], condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """Process (B, T) ids or (B, T, W) frames given (B, T, D) conditions; return logits.

        The logits are (B, T, V). A condition (B, 1, D) is that of every position. T > 1 is a
        prefill. Raises CapacityError if a row would pass `capacity`; the session is then unchanged.
        """

    def select(self, rows: Sequence[int]) -> Session:
        """A new session with copies of these rows (repeats allowed); this one is unchanged."""


class Runtime(Protocol):
    """A loaded bundle."""

    @property
    def name(self) -> str:
        """The registered name of its loader."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""

    def begin(self, batch: int, capacity: int | None = None) -> Session:
        """Empty rows; `capacity` defaults to `manifest.max_length`, the most it may be."""

    def join(self, sessions: Sequence[Session]) -> Session:
        """One session with copies of all their rows; all must have the same capacity."""

    def condition(self, mixture: Mixture) -> NDArray[np.float32]:
        """(D,) the condition vector of weighted labels; see `Conditions.mixture`."""

    def control(self, ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """(N, S) ids of the controls of N bars -> (N, D), added to the condition in each bar."""


class Loader(ABC):
    """How a runtime finds its model in a bundle's directory, and loads it.

    Its module is imported whenever a model is opened, so import the runtime's own library in
    `load`. A subclass is made without arguments.
    """

    name: ClassVar[str]  # as registered
    file: ClassVar[str]  # the name of the file that it runs, in the bundle's directory
    program: ClassVar[str] = ""  # format name, if the file is code; runs only with --runtime
    priority: ClassVar[int] = 0  # if several can run a directory, the highest is the default

    def partial(self, directory: Path) -> bool:
        """Whether `file` is there only as a part of another runtime's model."""
        return False

    @abstractmethod
    def hint(self, run: str = "") -> str:
        """How to create `file` (for this run), as the hint of an error: "run `…`"."""

    @abstractmethod
    def load(self, directory: Path, threads: int, device: str | None) -> Runtime:
        """Load the bundle in `directory`; `device` None is a GPU if there is one.

        Raises MusictkError if it cannot be loaded.
        """
