"""The contexts that each piece of a batch needs, and their combined prediction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.context import (
    CONDITIONAL,
    KINDS,
    MEMORY,
    UNCONDITIONAL,
    Contexts,
    Key,
    NewContext,
)
from musictk.generation.draft import Draft
from musictk.generation.guidance import ContextRows, guide
from musictk.generation.request import PieceRequest
from musictk.runtime.contract import Runtime
from musictk.tokens import Tokenizer

Logits = NDArray[np.float32]


class RowContexts:
    """The contexts of all pieces of a batch.

    Each piece has one under its conditions, one without them where there is guidance, and one of
    its theme (or of its section alone) where a section has a memory.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        request: PieceRequest,
        capacity: int,
        drafts: Sequence[Draft],
    ) -> None:
        self._tokenizer, self._capacity, self._drafts = tokenizer, capacity, drafts
        self._scale = request.sampling.guidance
        mixture = runtime.manifest.conditions.mixture(request.conditions)
        self._conditional = runtime.condition(mixture)
        guided = self._scale != 1 and any(mixture)
        self._unconditional = runtime.condition([[] for _ in mixture]) if guided else None
        self._contexts = Contexts(runtime, capacity)

    def begin(self) -> None:
        """Take what the pieces begin with."""
        rows = range(len(self._drafts))
        self._advance(None, [], [new for row in rows for new in self._running(row)])

    def predict(self) -> Logits:
        """(R, V) logits of the pieces that are not done, in order."""
        weights = [draft.memory.weight for draft in self._drafts if not draft.done]
        return guide(self._contexts.logits, self._rows, self._scale, np.array(weights, np.float32))

    def advance(self, rows: Sequence[int], turned: Collection[int]) -> None:
        """Take the position that was written in each of `rows`.

        In the rows of `turned` it begins a section. The contexts of pieces that are done end.
        """
        drafts = self._drafts
        written = drafts[rows[0]].sequence
        taken = np.zeros((len(drafts), *written.shape[1:]), written.dtype)
        dropped: list[Key] = []
        new: list[NewContext] = []
        for row in rows:
            draft = drafts[row]
            if draft.done:
                dropped += [Key(row, kind) for kind in KINDS]
                continue
            taken[row] = draft.sequence[-1]
            if row in turned:
                dropped.append(Key(row, MEMORY))
                if draft.memory.weight > 0:
                    new.append(self._remembering(row))
        self._advance(taken, dropped, new)

    def _advance(
        self, taken: NDArray[Any] | None, dropped: list[Key], new: list[NewContext]
    ) -> None:
        """Step every context; rebuild those that are full."""
        replaced = {one.key for one in new} | set(dropped)
        for key in self._contexts.full():
            if key not in replaced:
                memory = key.kind == MEMORY
                new += [self._remembering(key.row)] if memory else self._running(key.row)
                replaced |= {one.key for one in new}
        self._contexts.advance(taken, dropped, new)
        if dropped or new:
            live = [row for row, draft in enumerate(self._drafts) if not draft.done]
            self._rows = ContextRows(*(self._contexts.places(live, kind) for kind in KINDS))

    def _running(self, row: int) -> list[NewContext]:
        """The piece so far, under its conditions and (where guided) without."""
        sequence = self._recent(self._drafts[row].sequence, begins=True)
        new = [NewContext(Key(row, CONDITIONAL), sequence, self._conditional)]
        if self._unconditional is not None:
            new.append(NewContext(Key(row, UNCONDITIONAL), sequence, self._unconditional))
        return new

    def _remembering(self, row: int) -> NewContext:
        """The theme that returns, if any, and this section so far."""
        draft = self._drafts[row]
        theme = draft.progress.theme()
        sequence = draft.sequence[draft.progress.start :]
        if theme is not None:
            sequence = np.concatenate([draft.sequence[theme.start : theme.end], sequence])
        begins = theme is not None and theme.start == 0
        return NewContext(Key(row, MEMORY), self._recent(sequence, begins), self._conditional)

    def _recent(self, sequence: NDArray[Any], begins: bool) -> NDArray[Any]:
        """What fits of `sequence`, from a bar line; with some room left, so that cutting is rare.

        The start of a piece comes first where the sequence `begins` one, never in its middle.
        """
        if len(sequence) < self._capacity:
            start = self._tokenizer.space.start(1)[0] if begins else sequence[:0]
            return np.concatenate([start, sequence])
        keep = self._capacity * 5 // 8
        bars = self._tokenizer.bar_starts(sequence)
        bars = bars[bars >= len(sequence) - keep]
        return sequence[bars[0] if len(bars) and bars[0] < len(sequence) else -keep :]
