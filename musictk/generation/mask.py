"""Which tokens may follow: the grammar, the constraints, and no end before the form is complete."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.keep import KeptTokens
from musictk.generation.texture import breaks, is_ensemble
from musictk.tokens import Tokenizer, Tokens
from musictk.tokens.faults import tokenizer_error

_PROBE = 8  # repetitions of a token; the more bars begin in them, the sooner a bar line comes


class Mask:
    """Which tokens may be written next."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        space = tokenizer.space
        assert isinstance(space, Tokens)
        self._tokenizer, self._ensemble = tokenizer, is_ensemble(tokenizer)
        self.size = space.size
        # The form defines where a piece ends, so the model may not write eos.
        self._ordinary = np.ones(self.size, bool)
        self._ordinary[space.special] = False

    def allowed(self, draft: Draft) -> NDArray[np.bool_]:
        """(V,) True where a token may follow.

        Never all False: a limit that would leave no token is ignored. Raises MusictkError where the
        grammar leaves none.
        """
        allowed: NDArray[np.bool_] = self._ordinary
        grammar = draft.grammar_allows()
        if grammar is not None:
            if not _overlap(allowed, grammar):
                what = f"has a grammar that allows no token at position {draft.length}"
                raise tokenizer_error(self._tokenizer.name, what)
            allowed = allowed & grammar
        if isinstance(draft.kept, KeptTokens):
            return self._kept(draft, draft.kept, allowed)
        if draft.must_begin_bar:
            allowed = _within(allowed, self.begins_bar)
        allowed = self._limited(draft, allowed)
        return self._fastest(allowed) if draft.overdue else allowed

    def _kept(
        self, draft: Draft, kept: KeptTokens, allowed: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """The tokens that keep a rhythm; after the last of it a bar begins."""
        if kept.complete:
            return _within(self.begins_bar, allowed)
        limit = draft.limits.chosen(draft.bar, draft.following, self.begins_bar)
        kept_allowed = kept.allowed(allowed, limit)
        if kept.limit_ignored:
            draft.limit_ignored(allowed)
        return kept_allowed

    def _limited(self, draft: Draft, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of the allowed tokens that the limits of the piece allow."""
        limits, bar, following = draft.limits, draft.bar, draft.following
        line, forced = limits.at_bar_line(following), draft.forced()
        if line is None and forced is None:
            together = limits.together(bar, following, self.begins_bar)
            if together is None:
                return allowed
            if _overlap(allowed, together):
                return allowed & together
        for constraint in limits.constraining(bar, following, self.begins_bar):
            allowed = _within(allowed, constraint)
        chosen = limits.chosen(bar, following, self.begins_bar)
        for limit in (chosen, None if line is None else line | ~self.begins_bar, forced):
            if limit is None:
                continue
            if _overlap(allowed, limit):
                allowed = allowed & limit
            else:
                draft.limit_ignored(allowed)
        return allowed

    def dead_end(self, draft: Draft, token: int, begun: bool = False) -> bool:
        """Whether a limit would have to be ignored with this token, or after it.

        Such as after the velocity of a note that is above the range, or where a note would last
        past the end of the piece. `begun`: the bar that the token begins is the draft's already.
        """
        if draft.kept is not None:
            return False
        limits, begins = draft.limits, bool(self.begins_bar[token])
        bar = draft.following if begins and not begun else draft.bar
        limit = limits.chosen(bar, bar + 1, self.begins_bar)
        ended = bar - begins  # the bar that the token is written in, or ends
        bounds = limits.bounds_of(ended)
        if limit is None and limits.plan.end is None and bounds.free:
            return False
        after, before = draft.parser_after(token), draft.parser
        if after is None or before is None:
            return False
        if limits.too_long(bar, before, after, begins):
            return True
        if begins and limits.opens_ending(bar, after):
            return True
        if not bounds.free:
            parts = before.parts(token) or [after]
            if breaks(bounds.here, bounds.later, bounds.most, before, parts, begins):
                return True
        now = limits.above_bass(bar, before)
        if now is not None and not begins and not now[token]:
            return True
        above = limits.above_bass(bar, after)
        if limit is None or above is None:
            limit = above if limit is None else limit
        else:
            limit = limit & above
        return limit is not None and not _overlap(limit, draft.allowed_after(token))

    def too_full(self, draft: Draft, token: int) -> bool:
        """Whether more notes would sound with this token than a pianist plays at once."""
        if draft.kept is not None or self._ensemble or draft.parser is None:
            return False
        after, was = draft.parser_after(token), draft.parser.texture()
        now = None if after is None or was is None else after.texture()
        if was is None or now is None or now.begun <= was.begun:
            return False
        return now.sounding > draft.limits.most_at_once(draft.bar)

    def _fastest(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The allowed tokens after which a bar line comes soonest; all if none leads to one."""
        pace = np.where(allowed, self._pace, -1)
        fastest = pace.max()
        return pace == fastest if fastest > self._pace.min() else allowed

    @cached_property
    def begins_bar(self) -> NDArray[np.bool_]:
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
    return allowed & limit if _overlap(allowed, limit) else allowed


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether both allow a token. `dot` of booleans is a logical "or": half the time of `any`."""
    return bool(one.dot(other))
