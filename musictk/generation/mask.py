"""What may be written next: the grammar, no early end, and a way out of a bar without end."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.metres import FREE, STEADY, wanted
from musictk.tokens import Frames, Tokenizer, Tokens

_PROBE = 8  # repeats of one token; the more bars begin in them, the faster it moves on


class Mask:
    """Which tokens a row may write. In a frame space: everything, always."""

    def __init__(self, tokenizer: Tokenizer, metre: str = STEADY) -> None:
        """`metre` as in `Sampling`; raises UsageError for one that the vocabulary lacks."""
        self._tokenizer = tokenizer
        self._wanted = wanted(tokenizer, metre)
        self._metres = None if metre == FREE else tokenizer.metres()
        space = tokenizer.space
        self.frames = isinstance(space, Frames)
        self.width = space.width if isinstance(space, Frames) else 1  # random numbers a draw takes
        if isinstance(space, Tokens):
            # The form says when a piece ends, so the model cannot.
            self._usual = np.ones(space.size, bool)
            self._usual[[space.pad, space.bos, space.eos]] = False

    def allowed(self, draft: Draft) -> NDArray[np.bool_] | None:
        """(V,) True where a token may follow, never all False; None for frames."""
        if self.frames:
            return None
        allowed = self._usual
        if draft.parser is not None:
            allowed = allowed & draft.parser.allowed()
            if not allowed.any():
                allowed = self._usual
        if draft.at_bar_line:
            beginning = allowed & self._begins
            allowed = beginning if beginning.any() else allowed
        if self._metres is not None and (metre := self._wanted or draft.metre(self._metres)):
            steady = allowed & np.isin(self._metres, (0, metre))
            allowed = steady if steady.any() else allowed
        if draft.overdue:
            pace = np.where(allowed, self._pace, -1)
            if pace.max() > self._pace.min():
                allowed = pace == pace.max()
        return allowed

    @cached_property
    def _begins(self) -> NDArray[np.bool_]:
        """(V,) which tokens begin a bar."""
        starts = self._tokenizer.bar_starts
        tokens = np.arange(len(self._usual))[:, None]
        return np.array([len(starts(token)) > 0 for token in tokens])

    @cached_property
    def _pace(self) -> NDArray[np.int64]:
        """(V,) how fast each token brings the next bar: asked of the tokenizer, not assumed."""
        starts, (first, *_, last) = self._tokenizer.bar_starts, np.flatnonzero(self._usual)
        probes = [np.full((_PROBE, 2), other) for other in (first, last)]
        pace = np.zeros(len(self._usual), np.int64)
        for token in range(len(pace)):
            for probe in probes:  # a bar's end shows in what comes after it, so others come between
                probe[:, 0] = token
                pace[token] += len(starts(probe.ravel()))
        return pace
