"""Write pieces token by token, without dead ends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.draw import sample_token, sample_tokens
from musictk.generation.mask import Mask
from musictk.generation.request import PieceRequest
from musictk.generation.writer import Bools, Drawn, Logits, Writer
from musictk.tokens import Tokenizer


class _Kind(Enum):
    """How good a token is that was drawn."""

    GOOD = "good"
    SILENT = "it ends a bar that has no note"
    FULL = "it begins more notes than hands can play"
    DEAD = "the limits leave no token after it"


class TokenWriter(Writer):
    """Writes tokens after which the limits of the piece leave others."""

    def __init__(self, tokenizer: Tokenizer, request: PieceRequest) -> None:
        super().__init__(tokenizer, request)
        self._mask = Mask(tokenizer)

    @property
    def _numbers(self) -> int:
        return 1

    def _sample(self, logits: Logits, noise: NDArray[np.float64]) -> NDArray[Any]:
        return sample_tokens(logits, noise[:, 0])

    def _allowed(self, draft: Draft) -> Bools:
        return self._mask.allowed(draft)

    def _followed(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> int | None:
        follower, forced = draft.memory.follower, draft.forced()
        if forced is not None and follower is not None and not follower.agrees(forced):
            return None
        token: int | None = draft.theme_position(allowed)
        return None if token is None or self._rejects(draft, token) else token

    def _from_model(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> int:
        return self._redraw(draft, self._full(draft, drawn, allowed))

    def _bar_line(self, draft: Draft, drawn: Drawn, theme: int, allowed: Bools | None) -> int:
        token = int(drawn.position)
        fits = draft.begins_bar(token) and not self._mask.dead_end(draft, token)
        return token if fits else theme

    def _opening(
        self, draft: Draft, drawn: Drawn, position: int, first: int, allowed: Bools | None
    ) -> int:
        fits = allowed is None or (allowed[first] and self._mask.begins_bar[first])
        return first if fits and not self._mask.dead_end(draft, first, begun=True) else position

    def _is_inserted(self, draft: Draft, position: int) -> bool:
        follower = draft.memory.follower
        if follower is None or draft.forced() is None:
            return False
        return not follower.agrees(np.arange(self._mask.size) == position)

    def _rejects(self, draft: Draft, theme: int) -> bool:
        """Whether the theme's next token would lead to a dead end, or to a silent last bar."""
        begins_bar = draft.begins_bar(theme)
        if begins_bar and draft.lacks_notes:
            return True
        silent_end = draft.in_last_bar and begins_bar and draft.bar_is_silent()
        return silent_end or self._mask.dead_end(draft, theme)

    def _full(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Drawn:
        """What was drawn, or the theme again where its bar would get too few notes."""
        follower = draft.memory.follower
        if follower is None or not draft.lacks_notes or draft.forced() is not None:
            return drawn
        ends, after = draft.begins_bar(drawn.position), draft.parser_after(drawn.position)
        full = self._mask.too_full(draft, drawn.position)
        if not ends and not full and not follower.thins(drawn.position, allowed, after):
            return drawn
        theme = follower.back(allowed, draft.parser)
        if theme is not None and not self._rejects(draft, theme):
            return drawn._replace(position=theme)
        return self._without_bar_lines(draft, drawn) if ends else drawn

    def _without_bar_lines(self, draft: Draft, drawn: Drawn) -> Drawn:
        """Drawn again without bar lines; what was drawn if nothing else leads on."""
        logits = np.where(self._mask.begins_bar, -np.inf, drawn.logits).astype(np.float32)
        if not np.isfinite(logits).any():
            return drawn
        (token,), (weighed,) = self._draw([draft], logits[None])
        token = self._redraw(draft, Drawn(token, logits, weighed))
        return drawn if self._mask.dead_end(draft, token) else Drawn(token, logits, weighed)

    def _redraw(self, draft: Draft, drawn: Drawn) -> int:
        """A token after which the limits leave others, and no bar line before a bar's note.

        If there is none, rather more notes than hands can play, or a silent bar; and the token
        drawn if every one is a dead end.
        """
        token, logits, weighed = drawn
        found: dict[_Kind, int] = {}  # tokens that are written only if there is no better one
        while True:
            kind = self._kind(draft, token)
            whole = kind in (_Kind.GOOD, _Kind.SILENT)
            if whole and _Kind.FULL in found and draft.lacks_notes and draft.begins_bar(token):
                return found[_Kind.FULL]
            if kind is _Kind.GOOD:
                return int(token)
            if kind is not _Kind.FULL or kind not in found:
                found[kind] = int(token)
            if token == drawn.position:
                logits, weighed = logits.copy(), weighed.copy()
            logits[token] = weighed[token] = -np.inf
            if not np.isfinite(logits).any():
                return self._best_left(draft, drawn, found)
            if not whole and np.isfinite(weighed).any():  # much faster than the samplers once more
                token = sample_token(weighed, float(draft.noise.take(1)[0]))
            else:
                (token,), (weighed,) = self._draw([draft], logits[None])

    def _kind(self, draft: Draft, token: int) -> _Kind:
        if self._mask.dead_end(draft, token):
            return _Kind.DEAD
        if self._mask.too_full(draft, token):
            return _Kind.FULL
        silent = draft.must_sound and draft.begins_bar(token) and draft.bar_is_silent()
        return _Kind.SILENT if silent else _Kind.GOOD

    def _best_left(self, draft: Draft, drawn: Drawn, found: Mapping[_Kind, int]) -> int:
        """The token to write where none is good; one may be without the bass of the ending."""
        if _Kind.FULL in found:
            return found[_Kind.FULL]
        if draft.limits.ending.bass is not None:
            draft.limits.ending.leave_out()
            return self._redraw(draft, drawn)
        if _Kind.SILENT in found:
            return found[_Kind.SILENT]
        draft.limit_ignored()
        return int(drawn.position)
