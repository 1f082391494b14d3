"""A base class for runtimes: sessions, row bookkeeping, condition tables. Free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from musictk.errors import MusictkError
from musictk.files import require_regular
from musictk.model.conditions import Mixture, vector
from musictk.model.manifest import CONDITION_WEIGHTS, WEIGHTS, Manifest
from musictk.runtime.contract import CapacityError, Session
from musictk.tokens import Frames

State = TypeVar("State")


class Engine(ABC, Generic[State]):
    """A loaded bundle; a subclass defines how its state is made, run, copied and stacked."""

    name: ClassVar[str]

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        space = manifest.space
        self.sequence_type = np.dtype(np.uint8 if isinstance(space, Frames) else np.int64)
        self.classes = space.classes
        self.dim = manifest.dim
        learned = _Learned(directory, self.dim)
        sizes = manifest.conditions.sizes.values()
        self._tables = [learned.take(f"tables.{k}.weight", size) for k, size in enumerate(sizes)]
        self._controls = np.zeros((0, self.dim), np.float32)  # the vector of each id
        if manifest.controls:
            features = manifest.controls.features
            self._controls = features @ learned.take("controls.weight", features.shape[1])

    def begin(self, batch: int, capacity: int | None = None) -> Rows[State]:
        """See `Runtime.begin`."""
        longest = self.manifest.max_length
        capacity = longest if capacity is None else capacity
        if not 0 < capacity <= longest:
            raise CapacityError(
                f"this model has room for 1 to {longest} positions, not {capacity}",
                "ask for fewer bars, or train with a larger max_length",
            )
        return Rows(self, self.empty(batch, capacity), np.zeros(batch, np.int64), capacity)

    def join(self, sessions: Sequence[Session]) -> Rows[State]:
        """See `Runtime.join`."""
        parts = [cast("Rows[State]", session) for session in sessions]
        capacities = {part.capacity for part in parts}
        if len(capacities) != 1:
            raise ValueError(f"sessions of different capacity cannot be joined: {capacities}")
        lengths = np.concatenate([part.lengths for part in parts])
        return Rows(self, self.stack([part.state for part in parts]), lengths, capacities.pop())

    def condition(self, mixture: Mixture) -> NDArray[np.float32]:
        """See `Runtime.condition`."""
        return vector(self._tables, mixture) if self._tables else np.zeros(self.dim, np.float32)

    def control(self, ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """See `Runtime.control`."""
        if not self.manifest.controls:
            return np.zeros((len(ids), self.dim), np.float32)
        different, index = np.unique(ids, axis=0, return_inverse=True)  # most bars are alike
        width = np.float32(self.manifest.controls.width)
        vectors = self._controls[different + self.manifest.controls.offsets].sum(1) / width
        return np.asarray(vectors[index.reshape(-1)])

    @abstractmethod
    def empty(self, batch: int, capacity: int) -> State:
        """The state before the first position."""

    @abstractmethod
    def run(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[State]
    ) -> tuple[NDArray[np.float32], State]:
        """(B, T, V) logits, in memory that is not reused, and the state after these T positions.

        `condition` is (B, T, D).
        """

    @abstractmethod
    def take(self, state: State, rows: Sequence[int]) -> State:
        """Copies of these rows."""

    @abstractmethod
    def stack(self, states: Sequence[State]) -> State:
        """One state with copies of all rows."""


class Rows(Generic[State]):
    """The Session of every engine: a state, and the length of each row."""

    def __init__(
        self, engine: Engine[State], state: State, lengths: NDArray[np.int64], capacity: int
    ) -> None:
        self._engine = engine
        self.state = state
        self._lengths = lengths
        self._capacity = capacity

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(B,) positions processed in each row."""
        return self._lengths.copy()

    @property
    def capacity(self) -> int:
        """The most positions that a row can hold."""
        return self._capacity

    def step(self, sequence: NDArray[Any], condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.step`."""
        engine, (batch, time) = self._engine, sequence.shape[:2]
        shapes = [(batch, time, engine.dim), (batch, 1, engine.dim)]
        if batch != len(self._lengths) or condition.shape not in shapes:
            raise ValueError(
                f"a sequence of shape {sequence.shape} and conditions of shape {condition.shape} "
                f"do not fit {len(self._lengths)} rows of width {engine.dim}"
            )
        if int(self._lengths.max()) + time > self._capacity:
            raise CapacityError(
                f"{int(self._lengths.max())} positions and {time} more do not fit into the "
                f"{self._capacity} this session has room for",
                "ask for fewer bars or a shorter prompt, or begin with a larger capacity",
            )
        logits, self.state = engine.run(
            np.ascontiguousarray(sequence, engine.sequence_type),
            np.require(np.broadcast_to(condition, shapes[0]), np.float32, ["C", "W"]),
            self,
        )
        self._lengths = self._lengths + time
        return logits

    def fork(self) -> Rows[State]:
        """The same rows over the same state, for an engine that splits one step into several."""
        return Rows(self._engine, self.state, self._lengths, self._capacity)

    def select(self, rows: Sequence[int]) -> Rows[State]:
        """See `Session.select`."""
        state = self._engine.take(self.state, rows)
        return Rows(self._engine, state, self._lengths[list(rows)], self._capacity)


class _Learned:
    """The vectors of labels and controls, as the weights of a bundle have them."""

    def __init__(self, directory: Path, dim: int) -> None:
        self._directory, self._dim = directory, dim
        self._found = {
            prefix + name: value
            for prefix in CONDITION_WEIGHTS
            for name, value in read_tensors(directory, prefix).items()
        }

    def take(self, name: str, rows: int) -> NDArray[np.float32]:
        """(rows, D) of that name; raises MusictkError if there is no such array."""
        found, shape = self._found.get(name), (rows, self._dim)
        if found is None or found.shape != shape:
            what = "no" if found is None else f"the shape {found.shape} of"
            raise MusictkError(
                f"{self._directory / WEIGHTS} has {what} {name}; its manifest needs {shape}",
                "export or train it again",
            )
        return found.astype(np.float32, copy=False)


def read_tensors(directory: Path, prefix: str) -> dict[str, NDArray[Any]]:
    """The weights whose names begin with `prefix`, without it; no others are read."""
    path = directory / WEIGHTS
    try:
        require_regular(path)
        with safe_open(str(path), "numpy") as weights:
            names = [name for name in weights.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): weights.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise MusictkError(
            f"{path} cannot be read: {error}", "choose another run or export"
        ) from error
