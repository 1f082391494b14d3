"""Choose the next position of each piece: from its theme if it follows one, else by sampling."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.draw import apply, make_chain, sample_frames, sample_token, sample_tokens
from musictk.generation.keep import KeptFrames
from musictk.generation.mask import Mask
from musictk.generation.request import PieceRequest
from musictk.tokens import Tokenizer

Logits = NDArray[np.float32]


class Drawn(NamedTuple):
    """What the model would write next."""

    position: Any  # a token or a frame
    logits: Logits  # (V,) -inf where the limits of the piece forbid it
    weighed: Logits  # (V,) the same after the samplers


class _Kind(Enum):
    """How good a token is that was drawn."""

    GOOD = "good"
    SILENT = "it ends a bar that has no note"
    FULL = "it begins more notes than hands can play"
    DEAD = "the limits leave no token after it"


class ChosenPosition(NamedTuple):
    """The next position of a piece."""

    position: Any  # a token or a frame
    begins_bar: bool  # of a bar that `Draft.begin_bar` has to begin with it


class Writer:
    """Writes one position of several pieces at a time."""

    def __init__(self, tokenizer: Tokenizer, request: PieceRequest) -> None:
        self._mask = Mask(tokenizer)
        self._chain = make_chain((*request.sampling.chain, *request.samplers), tokenizer)
        self._history = max((sampler.history for sampler in self._chain), default=0)

    def write(self, drafts: list[Draft], logits: Logits) -> list[bool]:
        """Write a position of each piece by its (R, V) logits.

        Returns whether a section ends before it; where the piece does, nothing is written.
        """
        allowed = [self._mask.allowed(draft) for draft in drafts]
        logits = logits.copy()
        for row, mask in zip(logits, allowed, strict=True):
            if mask is not None:
                row[~mask] = -np.inf
        drawn, weighed = self._draw(drafts, logits)
        rows = map(Drawn, drawn, logits, weighed)
        return [self._write_one(*row) for row in zip(drafts, rows, allowed, strict=True)]

    def _write_one(self, draft: Draft, drawn: Drawn, allowed: NDArray[np.bool_] | None) -> bool:
        theme = self._followed(draft, drawn, allowed)
        if theme is None or self._rejects(draft, theme):
            position, begins_bar = self._from_model(draft, self._full(draft, drawn, allowed))
        else:
            position, begins_bar = self._from_theme(draft, drawn, theme)
        inserted = not begins_bar and self._is_inserted(draft, position)
        section_ends = begins_bar and draft.begin_bar(position)
        if draft.done:
            return True
        if begins_bar:  # the theme of the new bar may begin otherwise
            position = self._opening(draft, drawn, position, allowed)
        draft.write(position, None if self._mask.frames else allowed, inserted)
        return section_ends

    def _rejects(self, draft: Draft, theme: Any) -> bool:
        """Whether the theme's next position would lead to a dead end, or to a silent last bar."""
        if self._mask.frames:
            return False
        begins_bar = draft.begins_bar(theme)
        if begins_bar and draft.lacks_notes:
            return True
        silent_end = draft.in_last_bar and begins_bar and draft.bar_is_silent()
        return silent_end or self._mask.dead_end(draft, theme)

    def _full(self, draft: Draft, drawn: Drawn, allowed: NDArray[np.bool_] | None) -> Drawn:
        """What was drawn, or the theme again where its bar would get too few notes."""
        follower = draft.memory.follower
        if follower is None or not draft.lacks_notes:
            return drawn
        ends = draft.begins_bar(drawn.position)
        if draft.forced() is not None:
            return drawn
        if self._mask.frames:
            if ends or not follower.thins(drawn.position, None, None):
                return drawn
            frame = follower.back(None, None)
            return drawn._replace(position=frame if allowed is None else frame & allowed)
        after = draft.parser_after(drawn.position)
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

    def _is_inserted(self, draft: Draft, position: Any) -> bool:
        """Whether a token was forced that the theme does not have here."""
        follower = draft.memory.follower
        if follower is None or self._mask.frames or draft.forced() is None:
            return False
        return not follower.agrees(np.arange(self._mask.size) == position)

    def _followed(self, draft: Draft, drawn: Drawn, allowed: NDArray[np.bool_] | None) -> Any:
        """The theme's position while it is followed; None to use the sampled one."""
        follower = draft.memory.follower
        if follower is None:
            return None
        follower.decide(float(draft.noise.take(1)[0]))
        if self._mask.frames:  # a theme's frames are music of the piece already
            frame = draft.theme_position(None)
            if frame is None:
                return None
            frame = frame if allowed is None else frame & allowed
            return draft.fit_frame(frame, drawn.logits)
        forced = draft.forced()
        if forced is not None and not follower.agrees(forced):
            return None
        return draft.theme_position(allowed)

    def _opening(
        self, draft: Draft, drawn: Drawn, position: Any, allowed: NDArray[np.bool_] | None
    ) -> Any:
        """What begins a bar: as the theme does where it is followed, else `position`."""
        first = draft.theme_opening()
        if first is None:
            return position
        if self._mask.frames:
            limit = draft.limits.of_pitches(draft.bar)
            return draft.fit_frame(first if limit is None else first & limit, drawn.logits)
        fits = allowed is None or (allowed[first] and self._mask.begins_bar[first])
        return first if fits and not self._mask.dead_end(draft, first, begun=True) else position

    def _from_theme(self, draft: Draft, drawn: Drawn, theme: Any) -> ChosenPosition:
        if not draft.begins_bar(theme):
            return ChosenPosition(theme, False)
        # The theme only leads up to the bar line; it does not choose what comes after it.
        if self._mask.frames:
            return self._from_model(draft, drawn)
        fits = draft.begins_bar(drawn.position) and not self._mask.dead_end(draft, drawn.position)
        return ChosenPosition(drawn.position if fits else theme, True)

    def _from_model(self, draft: Draft, drawn: Drawn) -> ChosenPosition:
        position = drawn.position
        if isinstance(draft.kept, KeptFrames):
            position = self._kept_frame(draft, draft.kept, drawn)
        elif self._mask.frames:
            if draft.must_sound:
                position = position.copy()
                position[drawn.logits.argmax()] = 1
            position = draft.fit_frame(position, drawn.logits)
            position = self._mask.within_hands(draft, position, drawn.logits)
        else:
            position = self._redraw(draft, drawn)
        return ChosenPosition(position, draft.begins_bar(position))

    def _kept_frame(self, draft: Draft, kept: KeptFrames, drawn: Drawn) -> Any:
        """A frame with the rhythm that is kept; after its last, the one that was drawn."""
        limit = draft.limits.of_pitches(draft.bar)
        frame = kept.frame(drawn.weighed, draft.noise.take(self._mask.width), limit)
        if kept.limit_ignored:
            draft.limit_ignored()
        return drawn.position if frame is None else frame

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

    def _draw(self, drafts: list[Draft], logits: Logits) -> tuple[NDArray[Any], Logits]:
        """(R,) tokens or (R, W) frames, sampled, and the logits after the samplers."""
        length = min(self._history, *(draft.length for draft in drafts))
        history = np.stack([draft.sequence[draft.length - length :] for draft in drafts])
        logits = apply(self._chain, logits, history)
        noise = np.stack([draft.noise.take(self._mask.width) for draft in drafts])
        if self._mask.frames:
            return sample_frames(logits, noise), logits
        return sample_tokens(logits, noise[:, 0]), logits
