"""The model contexts of all pieces of a batch, stepped together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.runtime.contract import Runtime, Session

Logits = NDArray[np.float32]

# The kinds of context: with the conditions, without them (for guidance), and of the memory.
KINDS = CONDITIONAL, UNCONDITIONAL, MEMORY = 0, 1, 2


class ContextKey(NamedTuple):
    """Identifies a context: its row of the batch, and its kind."""

    row: int
    kind: int


class NewContext(NamedTuple):
    """A context to begin: its positions (T,) or (T, W), and the condition (T, D) of each."""

    key: ContextKey
    sequence: NDArray[Any]
    condition: NDArray[np.float32]


class Ahead(NamedTuple):
    """Positions (T,) or (T, W) that a context takes before the next, and their conditions."""

    sequence: NDArray[Any]
    condition: NDArray[np.float32]  # (T, D)


class Contexts:
    """Contexts as rows of one runtime session; `logits` has the next prediction of each."""

    def __init__(self, runtime: Runtime, capacity: int) -> None:
        self._runtime, self._capacity = runtime, capacity
        self._session: Session | None = None
        self._conditions = np.zeros((0, 1, 0), np.float32)  # (L, 1, D) of the next position
        self.keys: list[ContextKey] = []
        self.rows = np.zeros(0, np.int64)  # (L,) the row each context belongs to
        self.lengths = np.zeros(0, np.int64)  # (L,) positions taken
        self.logits = np.zeros((0, 0), np.float32)  # (L, V)

    def full(self, ahead: Mapping[ContextKey, Ahead] = MappingProxyType({})) -> list[ContextKey]:
        """Contexts that cannot take what is `ahead` and another position."""
        lengths = self.lengths + self._sizes(ahead) if ahead else self.lengths
        if not (lengths >= self._capacity).any():
            return []
        return [self.keys[i] for i in np.flatnonzero(lengths >= self._capacity)]

    def advance(
        self,
        sequence: NDArray[Any] | None,
        dropped: Collection[ContextKey] = (),
        new: Sequence[NewContext] = (),
        changed: Mapping[ContextKey, NDArray[np.float32]] = MappingProxyType({}),
        ahead: Mapping[ContextKey, Ahead] = MappingProxyType({}),
    ) -> None:
        """Feed the next position of its row to every context: `sequence` is (rows,) or (rows, W).

        Some contexts take what is `ahead` before it. `changed` are conditions (D,) that differ from
        those of the position before. The contexts in `dropped` are removed; those in `new` are
        created or replaced, and contain it already.
        """
        gone = {*dropped, *(one.key for one in new)}
        if gone:
            self._keep([i for i, key in enumerate(self.keys) if key not in gone])
        if ahead:
            self._take(ahead)
        if self._session is not None and sequence is not None:
            for place, key in enumerate(self.keys if changed else ()):
                if key in changed:
                    self._conditions[place, 0] = changed[key]
            taken = sequence[self.rows][:, None]
            self.logits = self._session.step(taken, self._conditions)[:, -1]
            self.lengths += 1
        if new:
            self._begin(new)

    def _keep(self, places: list[int]) -> None:
        if len(places) == len(self.keys):
            return
        if self._session is not None:
            self._session = self._session.select(places) if places else None
        self.keys = [self.keys[i] for i in places]
        self.lengths, self.rows = self.lengths[places], self.rows[places]
        self.logits, self._conditions = self.logits[places], self._conditions[places]

    def _sizes(self, ahead: Mapping[ContextKey, Ahead]) -> NDArray[np.int64]:
        """(L,) how many positions are ahead of each context."""
        sizes = [len(ahead[key].sequence) if key in ahead else 0 for key in self.keys]
        return np.array(sizes, np.int64)

    def _take(self, ahead: Mapping[ContextKey, Ahead]) -> None:
        """Feed these positions to their contexts only."""
        session = self._session
        if session is None:
            return
        sizes = self._sizes(ahead)
        order, sessions = [], []
        for size in np.unique(sizes).tolist():
            places = np.flatnonzero(sizes == size).tolist()
            part = session if len(places) == len(self.keys) else session.select(places)
            if size:
                taken = [ahead[self.keys[i]] for i in places]
                part.step(
                    np.stack([each.sequence for each in taken]),
                    np.stack([each.condition for each in taken]),
                )
            order += places
            sessions.append(part)
        self._session = sessions[0] if len(sessions) == 1 else self._runtime.join(sessions)
        self.keys = [self.keys[i] for i in order]
        self.lengths, self.rows = (self.lengths + sizes)[order], self.rows[order]
        self.logits, self._conditions = self.logits[order], self._conditions[order]

    def _begin(self, new: Sequence[NewContext]) -> None:
        sessions = [] if self._session is None else [self._session]
        logits = [self.logits] if sessions else []
        conditions = [self._conditions] if sessions else []
        ordered = sorted(new, key=lambda one: len(one.sequence))
        for _, group in groupby(ordered, key=lambda one: len(one.sequence)):
            batch = list(group)
            sessions.append(self._runtime.begin(len(batch), self._capacity))
            prefix = np.stack([one.sequence for one in batch])
            given = np.stack([one.condition for one in batch])
            conditions.append(given[:, -1:])
            logits.append(sessions[-1].step(prefix, given)[:, -1])
        self._session = sessions[0] if len(sessions) == 1 else self._runtime.join(sessions)
        self.logits, self._conditions = np.concatenate(logits), np.concatenate(conditions)
        self.keys = [*self.keys, *(one.key for one in ordered)]
        self.lengths = np.append(self.lengths, [len(one.sequence) for one in ordered])
        self.rows = np.append(self.rows, [one.key.row for one in ordered])

    def places(self, rows: Sequence[int], kind: int) -> NDArray[np.int64]:
        """(len(rows),) index into `logits` of each row's context of this kind; -1 where none."""
        found = {key: i for i, key in enumerate(self.keys)}
        return np.array([found.get(ContextKey(row, kind), -1) for row in rows], np.int64)
