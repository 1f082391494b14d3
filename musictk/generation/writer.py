"""Choose the next position of each piece: from its theme if it follows one, else by sampling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.draw import apply, make_chain, sample_frames, sample_tokens
from musictk.generation.mask import Mask
from musictk.generation.request import PieceRequest
from musictk.tokens import Tokenizer

Logits = NDArray[np.float32]

_HISTORY = 256  # positions that samplers see


class ChosenPosition(NamedTuple):
    """The next position of a piece."""

    position: Any  # a token or a frame
    begins_bar: bool  # of a bar that `Draft.begin_bar` has to begin with it


class Writer:
    """Writes one position of several pieces at a time."""

    def __init__(self, tokenizer: Tokenizer, request: PieceRequest) -> None:
        self._mask = Mask(tokenizer)
        self._chain = make_chain((*request.sampling.chain, *request.samplers), tokenizer)

    def write(self, drafts: list[Draft], logits: Logits) -> list[bool]:
        """Write a position of each piece by its (R, V) logits.

        Returns whether a section ends before it; where the piece does, nothing is written.
        """
        allowed = [self._mask.allowed(draft) for draft in drafts]
        logits = logits.copy()
        for row, mask in zip(logits, allowed, strict=True):
            if mask is not None:
                row[~mask] = -np.inf
        drawn = self._draw(drafts, logits)
        if self._mask.frames:  # a theme's frames are music of the piece already
            allowed = [None] * len(drafts)
        return [self._write_one(*row) for row in zip(drafts, drawn, logits, allowed, strict=True)]

    def _write_one(
        self, draft: Draft, drawn: Any, logits: Logits, allowed: NDArray[np.bool_] | None
    ) -> bool:
        theme = self._followed(draft, allowed)
        if theme is None or self._mask.dead_end(draft, theme):
            position, begins_bar = self._from_model(draft, drawn, logits)
        else:
            position, begins_bar = self._from_theme(draft, drawn, theme)
        section_ends = begins_bar and draft.begin_bar(position)
        if draft.done:
            return True
        if begins_bar:  # the theme of the new bar may begin otherwise
            first = draft.theme_position(allowed)
            position = position if first is None else first
        draft.write(position, allowed)
        return section_ends

    def _followed(self, draft: Draft, allowed: NDArray[np.bool_] | None) -> Any:
        """The theme's position while it is followed; None to use the sampled one."""
        if draft.memory.follower is None:
            return None
        draft.memory.follower.decide(float(draft.noise.take(1)[0]))
        return draft.theme_position(allowed)

    def _from_theme(self, draft: Draft, drawn: Any, theme: Any) -> ChosenPosition:
        if not draft.begins_bar(theme):
            return ChosenPosition(theme, False)
        # The theme only leads up to the bar line; it does not choose the token after it.
        return ChosenPosition(drawn if draft.begins_bar(drawn) else theme, True)

    def _from_model(self, draft: Draft, drawn: Any, logits: Logits) -> ChosenPosition:
        if self._mask.frames and draft.must_sound:
            drawn = drawn.copy()
            drawn[logits.argmax()] = 1
        elif not self._mask.frames:
            drawn, logits = self._with_a_future(draft, drawn, logits)
        if not draft.begins_bar(drawn):
            return ChosenPosition(drawn, False)
        silent = draft.bar_is_silent()
        if silent and draft.must_sound:
            return self._without_bar_line(draft, drawn, logits)
        draft.silence.record_bar(silent)
        return ChosenPosition(drawn, True)

    def _with_a_future(self, draft: Draft, drawn: Any, logits: Logits) -> tuple[Any, Logits]:
        """A token after which the controls allow another, and logits without those that are not."""
        first, own = drawn, logits
        while self._mask.dead_end(draft, drawn):
            logits = logits.copy() if logits is own else logits
            logits[drawn] = -np.inf
            if not np.isfinite(logits).any():
                return first, own
            drawn = self._draw([draft], logits[None])[0]
        return drawn, logits

    def _without_bar_line(self, draft: Draft, drawn: Any, logits: Logits) -> ChosenPosition:
        """A token that does not end the bar, if there is one."""
        logits = logits.copy()
        while draft.begins_bar(drawn):
            logits[drawn] = -np.inf
            if not np.isfinite(logits).any():
                return ChosenPosition(drawn, True)
            drawn = self._draw([draft], logits[None])[0]
        return ChosenPosition(drawn, False)

    def _draw(self, drafts: list[Draft], logits: Logits) -> NDArray[Any]:
        """(R,) tokens or (R, W) frames, sampled."""
        length = min(_HISTORY, *(draft.length for draft in drafts))
        history = np.stack([draft.sequence[draft.length - length :] for draft in drafts])
        logits = apply(self._chain, logits, history)
        noise = np.stack([draft.noise.take(self._mask.width) for draft in drafts])
        if self._mask.frames:
            return sample_frames(logits, noise)
        return sample_tokens(logits, noise[:, 0])
