"""Sectional memory: following a theme that returns, note by note, and leaving it in figures.

A model small enough to train at home does not copy on its own, so a return is carried by the theme
itself: the row *follows* it, token by token, and now and then *departs* for about a figure, drawing
from the model, until it finds its way back. `variation` is the share of time away.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.sampling import Sampling
from musictk.generation.theme import Theme
from musictk.tokens import Grammar, Parser

# A departure is read as an edit of the theme: its odds beside 1 for the theme's own token.
_REPLACED, _ADDED, _LEFT_OUT = 0.03, 0.02, 0.06
_STRAY = 1e-4  # for what the grammar would not have let stand in the theme token's stead
_LOOK_AHEAD = 24  # the most tokens of the theme passed over at once
_DETOUR = 16  # tokens of the theme tried in turn where the grammar refuses the next
_FILLERS = 3  # the most rests put before a position
_CERTAIN = 0.05  # a place less likely than this is no place to follow from


class TokenAlignment:
    """Where in a bar of the theme a row stands: a belief over its tokens (a pair HMM, run forward).

    Tokens replaced, added or left out on the way shift the belief, and a token that fits only one
    place (a position, a rare pitch) settles it again.
    """

    def __init__(self, window: NDArray[np.int64], grammar: Grammar | None = None) -> None:
        self._fillers: frozenset[int] = grammar.fillers if grammar else frozenset()
        self.window = window[~np.isin(window, list(self._fillers))]  # `_fill` finds them anew
        self._at: int | None = 0  # the only place there is, where there is no doubt
        self._belief = np.zeros(0)

    def expected(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> int | None:
        """The theme's next token; None where it has none that may stand here."""
        if self._at is not None:
            return self._certain(allowed, parser)
        belief = self._belief[:-1]
        if allowed is not None:
            belief = belief * allowed[self.window]
        best = int(belief.argmax())
        return int(self.window[best]) if belief[best] > _CERTAIN else None

    def _certain(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> int | None:
        """Past what the grammar refuses, since what was written before it differs."""
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
            self._at += 1  # such as a tempo that holds already
        return None

    def advance(self, token: int, allowed: NDArray[np.bool_] | None) -> None:
        """`token` was written where `allowed` might have been."""
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
    """The same for frames, which time alone aligns."""

    def __init__(self, window: NDArray[np.uint8]) -> None:
        self.window = window
        self._at = 0

    def expected(
        self, allowed: NDArray[np.bool_] | None, parser: Parser | None
    ) -> NDArray[np.uint8] | None:
        """The theme's frame at this time."""
        return self.window[self._at] if self._at < len(self.window) else None

    def advance(self, frame: NDArray[np.uint8], allowed: NDArray[np.bool_] | None) -> None:
        """One frame on, whatever was written."""
        self._at += 1


class Follower:
    """A row's way through a returning theme."""

    def __init__(
        self, theme: Theme, variation: float, figure: float, grammar: Grammar | None = None
    ) -> None:
        self.theme, self._grammar = theme, grammar
        self.following = True
        self._undecided, self._variation = True, variation
        # Away / (away + home) = variation, where away and home are the mean lengths of a departure
        # and of what lies between two, in positions. Neither can be shorter than one position, so
        # a short figure is made longer where there is much variation, not taken for less of it.
        odds = variation / (1 - variation) if variation < 1 else inf
        away = max(figure * theme.bar_length, 1.0, odds)
        self._back, self._leave = 1.0 / away, odds / away if variation < 1 else 1.0
        self._alignment: TokenAlignment | FrameAlignment

    def decide(self, uniform: float) -> None:
        """Depart, stay or come back, by one uniform number.

        The first decision is by the share itself: a section that always began with its theme would
        be less varied than asked for, the more so the shorter it is.
        """
        if self._undecided:
            self._undecided, self.following = False, uniform >= self._variation
        elif uniform < (self._leave if self.following else self._back):
            self.following = not self.following

    def begin_bar(self, bar: int, written: NDArray[Any]) -> None:
        """Bar `bar` of the section begins, after all that is `written`."""
        window = self.theme.window(bar, written)
        frames = window.ndim > 1
        self._alignment = (
            FrameAlignment(window) if frames else TokenAlignment(window, self._grammar)
        )

    def expected(self, allowed: NDArray[np.bool_] | None, parser: Parser | None) -> Any:
        """What the theme has here, while it is followed; None where the model should draw."""
        return self._alignment.expected(allowed, parser) if self.following else None

    def advance(self, taken: Any, allowed: NDArray[np.bool_] | None) -> None:
        """`taken` was written."""
        self._alignment.advance(taken, allowed)


def _fill(
    token: int,
    allowed: NDArray[np.bool_],
    parser: Parser,
    fillers: frozenset[int],
    depth: int = _FILLERS,
) -> int | None:
    """The first of at most `depth` fillers after which `token` may stand; None if none do."""
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
    """Each prime goes half of the way that is left from repeating to only remembering."""
    return 1 - (1 - sampling.variation) * 0.5**primes


def blend_weight(sampling: Sampling, variation: float, bar: int) -> float:
    """The theme's context in bar `bar` of its return: it ramps in and then stays."""
    return sampling.blend * (1 - variation) * min((bar + 1) / (sampling.ramp + 1), 1.0)


_PASSING = np.array([1.0, *(_LEFT_OUT * 0.9**k for k in range(_LOOK_AHEAD))])
