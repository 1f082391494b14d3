"""The contexts that each piece of a batch needs, and their combined prediction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.bar_conditions import BarConditions
from musictk.generation.bar_plan import BarPlan
from musictk.generation.context import (
    CONDITIONAL,
    KINDS,
    MEMORY,
    UNCONDITIONAL,
    Ahead,
    ContextKey,
    Contexts,
    NewContext,
)
from musictk.generation.draft import Draft
from musictk.generation.given_part import GivenAfter, GivenPart
from musictk.generation.guidance import ContextRows, guide
from musictk.generation.request import PieceRequest
from musictk.runtime.contract import Runtime
from musictk.tokens import Frames, Tokenizer
from musictk.tokens.infill import LONGEST

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
        beside: NDArray[Any] | None = None,
    ) -> None:
        """`beside`: the part that is given, bar by bar, ahead of the one to be written."""
        self._tokenizer, self._capacity, self._drafts = tokenizer, capacity, drafts
        self._scale = request.sampling.guidance
        self._conditions = BarConditions(runtime, request, bar_plan)
        self._given = None if beside is None else GivenPart(tokenizer, beside)
        self._taken = [0] * len(drafts)  # bars of the given part in the contexts of each piece
        # Whether the contexts of each piece lack the music after it, which is far away.
        self._far = [bool(request.after)] * len(drafts)
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

    @property
    def conditional(self) -> Logits:
        """(R, V) logits of the pieces that are not done, in order, without guidance or memory."""
        return self._contexts.logits[self._rows.conditional]

    def advance(self, rows: Sequence[int], turned: Collection[int]) -> None:
        """Take the position that was written in each of `rows`.

        In the rows of `turned` it begins a section. The contexts of pieces that are done end.
        """
        drafts = self._drafts
        written = drafts[rows[0]].sequence
        taken = np.zeros((len(drafts), *written.shape[1:]), written.dtype)
        dropped: list[ContextKey] = []
        new: list[NewContext] = []
        for row in rows:
            draft = drafts[row]
            if draft.done:
                dropped += [ContextKey(row, kind) for kind in KINDS]
                continue
            taken[row] = draft.sequence[-1]
            if row in turned:
                dropped.append(ContextKey(row, MEMORY))
                if draft.memory.weight > 0:
                    new.append(self._remembering(row))
        self._advance(taken, dropped, new)

    def _advance(
        self, taken: NDArray[Any] | None, dropped: list[ContextKey], new: list[NewContext]
    ) -> None:
        """Step every context; rebuild those that are full."""
        for row in self._reached() if taken is not None else ():
            new += self._running(row)
        replaced = {one.key for one in new} | set(dropped)
        ahead = self._ahead() if self._given is not None else {}
        for key in self._contexts.full(ahead):
            if key not in replaced:
                memory = key.kind == MEMORY
                new += [self._remembering(key.row)] if memory else self._running(key.row)
                replaced |= {one.key for one in new}
        ahead = {key: each for key, each in ahead.items() if key not in replaced}
        changed = {} if taken is None else self._changed()
        self._contexts.advance(taken, dropped, new, changed, ahead)
        if dropped or new or ahead:
            live = [row for row, draft in enumerate(self._drafts) if not draft.done]
            self._rows = ContextRows(*(self._contexts.places(live, kind) for kind in KINDS))

    def _reached(self) -> list[int]:
        """The rows that have just come near the music that follows the piece."""
        rows = [row for row, far in enumerate(self._far) if far]
        return [row for row in rows if not self._drafts[row].done and _is_near(self._drafts[row])]

    def _running(self, row: int) -> list[NewContext]:
        """The piece so far, under its conditions and (where guided) without."""
        draft = self._drafts[row]
        self._far[row] &= not _is_near(draft)
        if self._given is None:
            sequence, bars = self._so_far(draft)
        else:
            sequence, bars = self._both(draft, self._given)
            self._taken[row] = self._given.needed(self._bar(draft))
        given = self._conditions.conditional(bars, draft.limits.ending)
        new = [NewContext(ContextKey(row, CONDITIONAL), sequence, given)]
        if self._conditions.guided:
            free = self._conditions.unconditional(bars)
            new.append(NewContext(ContextKey(row, UNCONDITIONAL), sequence, free))
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
        read = self._read(draft, bars)
        condition = self._conditions.conditional(read, draft.limits.ending)
        return NewContext(ContextKey(row, MEMORY), sequence, condition)

    def _ahead(self) -> dict[ContextKey, Ahead]:
        """The bars of the given part that come before the position just written."""
        ahead: dict[ContextKey, Ahead] = {}
        assert self._given is not None
        conditions = self._conditions
        for row, draft in enumerate(self._drafts):
            needed = self._given.needed(self._bar(draft))
            if draft.done or needed <= self._taken[row]:
                continue
            sequence, bars = self._given.bars(self._taken[row], needed)
            read = conditions.of_given(bars)
            self._taken[row] = needed
            ahead[ContextKey(row, CONDITIONAL)] = Ahead(sequence, conditions.conditional(read))
            if conditions.guided:
                free = conditions.unconditional(read)
                ahead[ContextKey(row, UNCONDITIONAL)] = Ahead(sequence, free)
        return ahead

    def _both(self, draft: Draft, given: GivenPart) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The positions of a context of both parts, and the row of its conditions of each."""
        bars, now = draft.bars_of(np.arange(draft.length)), draft.next_bar
        kept = slice(None if _is_near(draft) else 0)
        after = GivenAfter(draft.after[kept], now - 1)
        sequence, place, own = given.interleaved(draft.sequence, bars, self._capacity, after)
        read = self._read(draft, bars) if len(bars) else bars
        read = self._conditions.of_past(read, now)
        read = np.concatenate([read, draft.bars_after[kept], [0]])  # the last: of no position
        return sequence, np.where(place < 0, self._conditions.of_given(own), read[place])

    def _bar(self, draft: Draft) -> int:
        """The bar of the last position."""
        return int(draft.bars_of(np.array([max(draft.length - 1, 0)]))[0])

    def _so_far(self, draft: Draft) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The positions of a context, and the row of its conditions of each: the piece so far.

        As in training, the music that follows it comes before the last whole bar, and a context
        that is begun again has it near what is written next.
        """
        kept = slice(None if _is_near(draft) else 0)
        after, bars_after = draft.after[kept], draft.bars_after[kept]
        room = max(self._capacity - len(after), 1)
        sequence, bars = self._recent(draft, np.arange(draft.length), room, begins=True)
        now = draft.next_bar
        near = max(int(np.searchsorted(bars, now - 1)), 1)  # the start of a piece stays first
        sequence = np.concatenate([sequence[:near], after, sequence[near:]])
        read = self._read(draft, np.concatenate([bars[:near], bars_after, bars[near:]]))
        return sequence, self._conditions.of_past(read, now)

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
            bars = np.append(bars[1:], draft.bar)
        return self._conditions.of_plan(bars)

    def _changed(self) -> dict[ContextKey, NDArray[np.float32]]:
        """The conditions of contexts whose piece has begun another bar."""
        changed: dict[ContextKey, NDArray[np.float32]] = {}
        for row, draft in enumerate(self._drafts):
            if draft.done:
                continue
            if draft.bar != self._bars[row]:
                self._bars[row] = draft.bar
                read = self._conditions.of_plan(np.array([draft.bar]))  # of the last position
                given = self._conditions.conditional(read, draft.limits.ending)[0]
                changed |= {ContextKey(row, kind): given for kind in (CONDITIONAL, MEMORY)}
                changed[ContextKey(row, UNCONDITIONAL)] = self._conditions.unconditional(read)[0]
        return changed


def _is_near(draft: Draft) -> bool:
    """Whether the next position is as near to the music after the piece as in training."""
    return not len(draft.after) or draft.next_bar >= int(draft.bars_after[0]) - LONGEST
