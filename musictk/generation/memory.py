"""Follow a returning theme token by token, and depart from it for short figures.

Small models do not copy on their own, so a returning section takes its positions from the theme:
the row *follows* it, token by token, and at times *departs* for about a figure, sampling from the
model, until it is aligned again. `variation` is the share of time away.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.note_floor import FrameFloor, NoteCounts, TokenFloor
from musictk.generation.sampling import Sampling
from musictk.generation.theme import Theme
from musictk.tokens import Grammar, Parser

# A departure is an edit of the theme: odds, where the theme's own token has odds of 1.
_REPLACED, _ADDED, _LEFT_OUT = 0.03, 0.02, 0.06
_STRAY = 1e-4  # of a token that replaces one rejected by the grammar
_LOOK_AHEAD = 24  # maximum number of theme tokens left out at once
_DETOUR = 16  # maximum number of theme tokens skipped because the grammar rejects them
_FILLERS = 3  # maximum number of rests inserted before a position
_CERTAIN = 0.05  # minimum probability of an alignment to follow it
# The probability that so many theme tokens are left out.
_PASSING = np.array([1.0, *(_LEFT_OUT * 0.9**k for k in range(_LOOK_AHEAD))])


class TokenAlignment:
    """Aligns the written tokens with a bar of the theme: the forward pass of a pair HMM.

    Tokens that are replaced, added or left out make the alignment uncertain; a token that fits only
    one place (a position, a rare pitch) makes it certain again.
    """

    def __init__(self, window: NDArray[np.int64], grammar: Grammar | None = None) -> None:
        self._fillers: frozenset[int] = grammar.fillers if grammar else frozenset()
        # Without fillers: `_fill` adds them where needed.
        self.window = window[~np.isin(window, list(self._fillers))]
        self._at: int | None = 0  # the next token of the window; None where that is uncertain
        self._belief = np.zeros(0)

    def expected(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> int | None:
        """The theme's next token; None if it is not allowed here."""
        if self._at is not None:
            return self._certain(allowed, parser)
        belief = self._belief[:-1]
        if allowed is not None:
            belief = belief * allowed[self.window]
        best = int(belief.argmax())
        return int(self.window[best]) if belief[best] > _CERTAIN else None

    def nearest(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> int | None:
        """The same from the likeliest place on, however uncertain that is."""
        if self._at is None:
            self._at = int(self._belief.argmax())
        return self._certain(allowed, parser)

    def rest_after(self, token: int, allowed: NDArray[np.bool_] | None) -> NDArray[Any]:
        """The theme's bar from where `token` leads, which may be the next."""
        trial = copy(self)
        trial.advance(token, allowed)
        at = int(trial._belief.argmax()) if trial._at is None else trial._at
        return self.window[at:-1]

    def agrees(self, tokens: NDArray[np.bool_]) -> bool:
        """Whether the theme's next token is known and one of `tokens` (V,)."""
        known = self._at is not None and self._at < len(self.window)
        return known and bool(tokens[self.window[self._at]])

    def _certain(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> int | None:
        """The next token that the grammar allows, after what was written here."""
        for _ in range(_DETOUR):
            assert self._at is not None
            if self._at == len(self.window):
                return None
            token = int(self.window[self._at])
            if allowed is None or allowed[token]:
                return token
            filler = _fill(token, allowed, parser, self._fillers) if parser else None
            if filler is not None:
                return filler
            self._at += 1  # such as a tempo that is already set
        return None

    def advance(self, token: int, allowed: NDArray[np.bool_] | None) -> None:
        """Update the alignment with `token`, which was chosen among `allowed`."""
        if token in self._fillers:
            return
        at, size = self._at, len(self.window)
        if at is not None:
            if at < size and self.window[at] == token:
                self._at = at + 1
                return
            self._belief = np.zeros(size + 1)
            self._belief[at] = 1
            self._at = None
        before = self._belief
        passed = np.convolve(before, _PASSING)[: size + 1]
        same = self.window == token
        instead: Any = _REPLACED
        if allowed is not None:
            instead = np.where(allowed[self.window], _REPLACED, _STRAY)
        after = before * _ADDED
        after[1:] += passed[:-1] * np.where(same, 1.0, instead)
        after /= after.sum()
        best = int(after.argmax())
        if after[best] > 0.99:
            self._at = best
        self._belief = after


class FrameAlignment:
    """The same for frames, which are aligned by time."""

    def __init__(self, window: NDArray[np.uint8]) -> None:
        self.window = window
        self._at = 0

    def expected(
        self, allowed: NDArray[np.bool_] | None, parser: Parser | None
    ) -> NDArray[np.uint8] | None:
        """The theme's frame at this time."""
        return self.window[self._at] if self._at < len(self.window) else None

    nearest = expected  # the place is never uncertain

    def rest_after(
        self, frame: NDArray[np.uint8], allowed: NDArray[np.bool_] | None
    ) -> NDArray[Any]:
        """The theme's bar after the next frame."""
        return self.window[self._at + 1 : -1]

    def agrees(self, tokens: NDArray[np.bool_]) -> bool:
        """Nothing is forced between frames."""
        return True

    def advance(self, frame: NDArray[np.uint8], allowed: NDArray[np.bool_] | None) -> None:
        """Advance by one frame, independent of what was written."""
        self._at += 1


class Follower:
    """Follows a returning theme, or departs from it: `variation` is below 1."""

    def __init__(
        self,
        theme: Theme,
        variation: float,
        figure: float,
        grammar: Grammar | None = None,
        counts: NoteCounts | None = None,
    ) -> None:
        self.theme, self._grammar, self._counts = theme, grammar, counts
        self.following = True
        self._undecided, self._variation = True, variation
        # Away / (away + home) = variation, where away and home are the mean lengths of a departure
        # and of the stretch between two, in positions. Neither can be shorter than one position, so
        # with much variation a short figure is made longer, to keep the share.
        odds = variation / (1 - variation)
        away = max(figure * theme.bar_length, 1.0, odds)
        self._back, self._leave = 1.0 / away, odds / away
        self._alignment: TokenAlignment | FrameAlignment
        self._floor: TokenFloor | FrameFloor | None = None  # of the notes of this bar

    def decide(self, uniform: float) -> None:
        """Decide with one uniform number whether to follow the theme or depart from it.

        The first decision departs with probability `variation`: if every return began with its
        theme, short sections would vary less than that.
        """
        if self._undecided:
            self._undecided, self.following = False, uniform >= self._variation
        elif uniform < (self._leave if self.following else self._back):
            self.following = not self.following

    def begin_bar(self, bar: int, written: NDArray[Any]) -> None:
        """Begin bar `bar` of the section, after all that is `written`."""
        window = self.theme.window(bar, written)
        frames = window.ndim > 1
        self._alignment = (
            FrameAlignment(window) if frames else TokenAlignment(window, self._grammar)
        )
        if frames:
            self._floor = FrameFloor(written[-1], window[:-1])
        elif self._counts is not None:
            self._floor = TokenFloor(self._counts, window[:-1])

    @property
    def lacks_notes(self) -> bool:
        """Whether this bar has fewer than half of the notes of the theme's bar so far."""
        return self._floor is not None and self._floor.missing > 0

    def thins(self, position: Any, allowed: NDArray[np.bool_] | None, after: Parser | None) -> bool:
        """Whether the bar would lack notes after `position` even if the theme is followed again.

        `after` is the parser after it.
        """
        if self._floor is None or self._floor.missing <= 0:
            return False
        rest = self._alignment.rest_after(position, allowed)
        return not self._floor.reached_by(position, rest, after)

    def back(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> Any:
        """The theme's next position, which is followed from here on; None if it is unknown."""
        found = self._alignment.expected(allowed, parser)
        if found is None:
            found = self._alignment.nearest(allowed, parser)
        self.following |= found is not None
        return found

    def opening(self) -> Any:
        """The first position of the theme's bar while it is followed; None to use the model."""
        return self._alignment.window[0] if self.following else None

    def agrees(self, tokens: NDArray[np.bool_]) -> bool:
        """Whether the theme's next token is known and one of `tokens` (V,)."""
        return self._alignment.agrees(tokens)

    def expected(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> Any:
        """The theme's next position while it is followed; None if the model is to be sampled."""
        return self._alignment.expected(allowed, parser) if self.following else None

    def advance(self, taken: Any, allowed: NDArray[np.bool_] | None) -> None:
        """Update the alignment with the position that was written."""
        self._alignment.advance(taken, allowed)
        if self._floor is not None:
            self._floor.advance(taken)


def _fill(
    token: int,
    allowed: NDArray[np.bool_],
    parser: Parser,
    fillers: frozenset[int],
    depth: int = _FILLERS,
) -> int | None:
    """The first of at most `depth` fillers after which `token` is allowed; None if none is."""
    for added in sorted(fillers, reverse=True):
        if not allowed[added]:
            continue
        trial = parser.fork()
        trial.advance(added)
        then = trial.allowed()
        if then[token] or (depth > 1 and _fill(token, then, trial, fillers, depth - 1) is not None):
            return added
    return None


def variation_of(sampling: Sampling, primes: int) -> float:
    """Each prime halves the distance to 1: the variation of A', A'' and so on."""
    return 1 - (1 - sampling.variation) * 0.5**primes


def blend_weight(sampling: Sampling, variation: float, bar: int) -> float:
    """The weight of the theme's context in bar `bar` of its return: it rises, then stays."""
    return sampling.blend * (1 - variation) * min((bar + 1) / (sampling.ramp + 1), 1.0)
