"""Which tokens may follow: the grammar, the constraints, and no end before the form is complete."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.tokens import Frames, Tokenizer, Tokens

_PROBE = 8  # repetitions of a token; the more bars begin in them, the sooner a bar line comes


class Mask:
    """Which tokens may be written next. Of frames, only bar controls limit the pitches."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        space = tokenizer.space
        self.frames = isinstance(space, Frames)
        self.width = space.width if isinstance(space, Frames) else 1  # random numbers per draw
        if isinstance(space, Tokens):
            # The form defines where a piece ends, so the model may not write eos.
            self._ordinary = np.ones(space.size, bool)
            self._ordinary[space.special] = False

    def allowed(self, draft: Draft) -> NDArray[np.bool_] | None:
        """(V,) True where a token (of frames: a pitch) may follow; None where everything may.

        Never all False: a limit that would leave no token is ignored.
        """
        if self.frames:
            return draft.allowed_in_bar(np.zeros(0, bool))
        allowed = self._ordinary
        if draft.parser is not None:
            allowed = _within(allowed, draft.parser.allowed())
        if draft.must_begin_bar:
            allowed = _within(allowed, self._begins_bar)
        limits = [constraint.allowed() for constraint in draft.constraints]
        for limit in (*limits, draft.allowed_in_bar(self._begins_bar)):
            allowed = allowed if limit is None else _within(allowed, limit)
        return self._fastest(allowed) if draft.overdue else allowed

    def dead_end(self, draft: Draft, token: int) -> bool:
        """Whether a limit would have to be ignored after this token, such as after the velocity of
        a note that is above the range."""
        return not self.frames and draft.dead_end(token, self._begins_bar)

    def _fastest(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The allowed tokens after which a bar line comes soonest; all if none leads to one."""
        pace = np.where(allowed, self._pace, -1)
        fastest = pace.max()
        return pace == fastest if fastest > self._pace.min() else allowed

    @cached_property
    def _begins_bar(self) -> NDArray[np.bool_]:
        """(V,) which tokens begin a bar."""
        starts = self._tokenizer.bar_starts
        tokens = np.arange(len(self._ordinary))[:, None]
        return np.array([len(starts(token)) > 0 for token in tokens])

    @cached_property
    def _pace(self) -> NDArray[np.int64]:
        """(V,) how soon a bar line comes after each token, measured with the tokenizer."""
        starts, (first, *_, last) = self._tokenizer.bar_starts, np.flatnonzero(self._ordinary)
        probes = [np.full((_PROBE, 2), other) for other in (first, last)]
        pace = np.zeros(len(self._ordinary), np.int64)
        for token in range(len(pace)):
            for probe in probes:  # some bars only show in the token after: alternate two
                probe[:, 0] = token
                pace[token] += len(starts(probe.ravel()))
        return pace


def _within(allowed: NDArray[np.bool_], limit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tokens that both allow; `allowed` if there are none."""
    both = allowed & limit
    return both if both.any() else allowed
