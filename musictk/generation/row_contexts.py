"""The contexts that each piece of a batch needs, and their combined prediction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.bar_plan import BarPlan
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
from musictk.tokens import Frames, Tokenizer

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
        bar_plan: BarPlan,
    ) -> None:
        self._tokenizer, self._capacity, self._drafts = tokenizer, capacity, drafts
        self._scale = request.sampling.guidance
        mixture = runtime.manifest.conditions.mixture(request.conditions)
        # (N, D): the condition of each bar, and that of bars of which nothing is given.
        self._conditional = runtime.condition(mixture) + runtime.control(bar_plan.ids)
        self._guided = self._scale != 1 and (any(mixture) or bool(bar_plan.chosen))
        nothing = runtime.control(np.zeros_like(bar_plan.ids[:1]))
        self._unconditional = runtime.condition([[] for _ in mixture]) + nothing
        self._bars = [-1] * len(drafts)  # the bar whose condition each piece was last given
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
        self._contexts.advance(taken, dropped, new, self._changed())
        if dropped or new:
            live = [row for row, draft in enumerate(self._drafts) if not draft.done]
            self._rows = ContextRows(*(self._contexts.places(live, kind) for kind in KINDS))

    def _running(self, row: int) -> list[NewContext]:
        """The piece so far, under its conditions and (where guided) without."""
        sequence, bars = self._so_far(self._drafts[row])
        bars = self._read(self._drafts[row], bars)
        new = [NewContext(Key(row, CONDITIONAL), sequence, self._condition(bars))]
        if self._guided:
            free = np.broadcast_to(self._unconditional, (len(bars), self._unconditional.shape[1]))
            new.append(NewContext(Key(row, UNCONDITIONAL), sequence, free))
        return new

    def _remembering(self, row: int) -> NewContext:
        """The theme that returns, if any, and this section so far."""
        draft = self._drafts[row]
        theme = draft.progress.theme()
        places = np.arange(draft.progress.start, draft.length)
        if theme is not None:
            places = np.concatenate([np.arange(theme.start, theme.end), places])
        begins = theme is not None and theme.start == 0
        sequence, bars = self._recent(draft, places, self._capacity, begins)
        return NewContext(Key(row, MEMORY), sequence, self._condition(self._read(draft, bars)))

    def _so_far(self, draft: Draft) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The positions of a context, and the bar of each: the piece so far.

        The music that follows it is between the prompt and what was written, as in training.
        """
        if not len(draft.after):
            return self._recent(draft, np.arange(draft.length), self._capacity, begins=True)
        written = np.arange(draft.prompt_length, draft.length)
        new, new_bars = self._recent(draft, written, self._capacity // 2, begins=False)
        room = self._capacity - len(draft.after) - len(new)
        given = np.arange(draft.prompt_length)
        before, bars_before = self._recent(draft, given, max(room, 1), begins=True)
        return (
            np.concatenate([before, draft.after, new]),
            np.concatenate([bars_before, draft.bars_after, new_bars]),
        )

    def _recent(
        self, draft: Draft, places: NDArray[np.int64], room: int, begins: bool
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """What fits of a piece's positions `places`, and the bar of each.

        From a bar line; with some room left, so that cutting is rare. The start of a piece comes
        first where the places `begin` one, never in its middle.
        """
        sequence, bars = draft.sequence[places], draft.bars_of(places)
        if len(sequence) < room:
            if not begins:
                return sequence, bars
            start = self._tokenizer.space.start(1)[0]
            return np.concatenate([start, sequence]), np.concatenate([[0], bars])
        keep = room * 5 // 8
        lines = self._tokenizer.bar_starts(sequence)
        lines = lines[lines >= len(sequence) - keep]
        cut = int(lines[0]) if len(lines) and lines[0] < len(sequence) else len(sequence) - keep
        return sequence[cut:], bars[cut:]

    def _read(self, draft: Draft, bars: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bar whose condition each position is read with, given the bars they are in.

        As in `Crops`, a frame is read with the condition of the next frame.
        """
        if isinstance(self._tokenizer.space, Frames):
            return np.append(bars[1:], draft.bar)
        return bars

    def _condition(self, bars: NDArray[np.int64]) -> NDArray[np.float32]:
        """(T, D) the conditions of positions that are read in these bars."""
        return self._conditional[np.minimum(bars, len(self._conditional) - 1)]

    def _changed(self) -> dict[Key, NDArray[np.float32]]:
        """The conditions of contexts whose piece has begun another bar."""
        changed: dict[Key, NDArray[np.float32]] = {}
        for row, draft in enumerate(self._drafts):
            if draft.done:
                continue
            bar = draft.bar  # in which the last position is read
            if bar != self._bars[row]:
                self._bars[row] = bar
                condition = self._condition(np.array([bar]))[0]
                changed |= {Key(row, kind): condition for kind in (CONDITIONAL, MEMORY)}
        return changed
