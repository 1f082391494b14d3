"""Write the next position of each piece: from its theme if it follows one, else by sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.draw import apply, make_chain
from musictk.generation.request import PieceRequest
from musictk.tokens import Tokenizer

Bools = NDArray[np.bool_]
Logits = NDArray[np.float32]


class Drawn(NamedTuple):
    """What the model would write next."""

    position: Any  # a token or a frame
    logits: Logits  # (V,) -inf where the limits of the piece forbid it
    weighed: Logits  # (V,) the same after the samplers


class Writer(ABC):
    """Writes one position of several pieces at a time; tokens and frames have a class each."""

    def __init__(self, tokenizer: Tokenizer, request: PieceRequest) -> None:
        self._chain = make_chain((*request.sampling.chain, *request.samplers), tokenizer)
        self._history = max((sampler.history for sampler in self._chain), default=0)

    def write(self, drafts: list[Draft], logits: Logits) -> list[bool]:
        """Write a position of each piece by its (R, V) logits.

        Returns whether a section ends before it; where the piece does, nothing is written.
        """
        allowed = [self._allowed(draft) for draft in drafts]
        logits = logits.copy()
        for row, mask in zip(logits, allowed, strict=True):
            if mask is not None:
                row[~mask] = -np.inf
        drawn, weighed = self._draw(drafts, logits)
        rows = map(Drawn, drawn, logits, weighed)
        return [self._write_one(*row) for row in zip(drafts, rows, allowed, strict=True)]

    def _write_one(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> bool:
        theme = self._theme(draft, drawn, allowed)
        if theme is None:
            position = self._from_model(draft, drawn, allowed)
        elif draft.begins_bar(theme):
            # The theme only leads up to the bar line; it does not choose what comes after it.
            position = self._bar_line(draft, drawn, theme, allowed)
        else:
            position = theme
        begins_bar = draft.begins_bar(position)
        inserted = not begins_bar and self._is_inserted(draft, position)
        section_ends = begins_bar and draft.begin_bar(position)
        if draft.done:
            return True
        if begins_bar:  # the theme of the new bar may begin otherwise
            first = draft.theme_opening()
            if first is not None:
                position = self._opening(draft, drawn, position, first, allowed)
        draft.write(position, allowed, inserted)
        return section_ends

    def _theme(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Any:
        """The theme's position while it is followed; None to use the sampled one."""
        follower = draft.memory.follower
        if follower is None:
            return None
        follower.decide(float(draft.noise.take(1)[0]))
        return self._followed(draft, drawn, allowed)

    def _draw(self, drafts: list[Draft], logits: Logits) -> tuple[NDArray[Any], Logits]:
        """(R,) tokens or (R, W) frames, sampled, and the logits after the samplers."""
        length = min(self._history, *(draft.length for draft in drafts))
        history = np.stack([draft.sequence[draft.length - length :] for draft in drafts])
        logits = apply(self._chain, logits, history)
        noise = np.stack([draft.noise.take(self._numbers) for draft in drafts])
        return self._sample(logits, noise), logits

    @property
    @abstractmethod
    def _numbers(self) -> int:
        """The random numbers that a draw takes."""

    @abstractmethod
    def _sample(self, logits: Logits, noise: NDArray[np.float64]) -> NDArray[Any]:
        """(R,) tokens or (R, W) frames, from (R, V) logits."""

    @abstractmethod
    def _allowed(self, draft: Draft) -> Bools | None:
        """(V,) which tokens, or which pitches of a frame, may follow; None where all may."""

    @abstractmethod
    def _followed(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Any:
        """The position of the theme that is followed; None where it cannot be used."""

    @abstractmethod
    def _from_model(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Any:
        """What was drawn, changed where the limits of the piece need it."""

    @abstractmethod
    def _bar_line(self, draft: Draft, drawn: Drawn, theme: Any, allowed: Bools | None) -> Any:
        """What begins a bar where the theme's next position would."""

    @abstractmethod
    def _opening(
        self, draft: Draft, drawn: Drawn, position: Any, first: Any, allowed: Bools | None
    ) -> Any:
        """`first`, which begins the bar of the theme, or `position` where it does not fit."""

    @abstractmethod
    def _is_inserted(self, draft: Draft, position: Any) -> bool:
        """Whether the theme that is followed does not have the position."""
