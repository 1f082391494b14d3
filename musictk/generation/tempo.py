"""Write the tempo that is chosen for a bar at its beginning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.generation.bar_plan import BarPlan
from musictk.music import bar_lines, in_effect
from musictk.tokens import TEMPO, Parser, Tokenizer, Tokens

Bools = NDArray[np.bool_]


class BarTempo:
    """Forces a token of tempo at the bar line where the tempo in force is not the chosen one.

    Masking other tempos is not enough: a bar that states none keeps that of the bar before. After
    the last bar with a chosen tempo, that from before the first one returns; in a section that
    returns, that of the bar it repeats.
    """

    def __init__(self, tokenizer: Tokenizer, plan: BarPlan, prompt: NDArray[np.int64]) -> None:
        self._tokenizer, self._plan = tokenizer, plan
        self._attribute = attribute = tokenizer.attributes()[TEMPO]
        self._stated = attribute.stated
        self._base = np.ones(len(self._stated), bool)  # tokens that are not merged ones
        self._merged = list(tokenizer.parts())
        self._base[self._merged] = False
        space = tokenizer.space
        assert isinstance(space, Tokens)
        self._base[space.special] = False
        stating = prompt[self._stated[prompt]] if len(prompt) else prompt
        self._last = int(stating[-1]) if len(stating) else -1  # the last token with a tempo
        self._usual = -1  # the last such token before bars with a chosen tempo
        self._bar = -1  # that has begun
        self._restored: Bools | None = None  # what it allows, after bars with a chosen tempo
        self.is_open = False  # whether this bar's tempo has still to be written

    def begin_bar(self, bar: int, sequence: NDArray[np.int64]) -> None:
        """A bar begins after `sequence`; the token that begins it is not written yet."""
        if self._plan.sets(TEMPO, bar) and not (bar and self._plan.sets(TEMPO, bar - 1)):
            self._usual = self._last
        self._bar, restores = bar, self._restores(bar)
        self._restored = self._repeated(bar, sequence) if restores else None
        self.is_open = self._wanted(bar) is not None

    def advance(self, token: int) -> None:
        """Update the state with the token that was written."""
        if self._stated[token]:
            self._last, self.is_open = token, False

    def at_bar_line(self, bar: int) -> Bools | None:
        """(V,) the tokens that may begin a bar so that its tempo can follow; None if any."""
        if not self._merged:  # a merged token may have notes at the bar line already
            return None
        if self._restores(bar) and bar in self._plan.repeats:  # it is found when the bar begins
            return self._base
        return None if self._wanted(bar) is None else self._base

    def allowed(self, bar: int, written: NDArray[Any], parser: Parser | None) -> Bools | None:
        """(V,) the tokens that lead to the tempo of this bar, after what is `written` of it."""
        wanted = self._wanted(bar) if self.is_open else None
        if wanted is None:
            return None
        open_ = self._base if parser is None else self._base & parser.allowed()
        direct = wanted & open_
        if direct.any() and self._at_line(written, int(direct.argmax())):
            return direct
        for token in np.flatnonzero(open_).tolist():
            if parser is None:
                break
            after = parser.fork()
            after.advance(token)
            then = after.allowed() & wanted
            if then.any() and self._at_line([*written, token], int(then.argmax())):
                return np.arange(len(wanted)) == token
        return open_ if open_.any() else None

    def _at_line(self, written: Any, tempo: int) -> bool:
        """Whether a token of tempo after what is `written` of a bar is for its beginning."""
        music = self._tokenizer.decode(np.array([*written, tempo], np.int64))
        return isinstance(music, ScoreTick) and bool(music.tempos) and music.tempos[-1].time == 0

    def _wanted(self, bar: int) -> Bools | None:
        """(V,) the tokens that state the tempo of a bar; None if it is in force or free."""
        allowed = self._plan.allowed_by(TEMPO, bar)
        if allowed is None and self._restores(bar):
            allowed = self._restored if bar == self._bar else self._from_before
        if allowed is None or (self._last >= 0 and allowed[self._last]):
            return None
        return allowed & self._stated

    def _restores(self, bar: int) -> bool:
        """Whether a bar without a chosen tempo comes after one that has one."""
        sets = self._plan.sets
        return bar > 0 and sets(TEMPO, bar - 1) and not sets(TEMPO, bar)

    @property
    def _from_before(self) -> Bools | None:
        """(V,) what states the tempo from before bars with a chosen one; None if none was."""
        states = self._attribute.states
        return (states & states[self._usual]).any(axis=1) if self._usual >= 0 else None

    def _repeated(self, bar: int, sequence: NDArray[np.int64]) -> Bools | None:
        """The same; in a return, (V,) what has no other tempo than the bar that it repeats."""
        theme = self._plan.repeats.get(bar)
        music = None if theme is None else self._tokenizer.decode(sequence)
        if theme is None or not isinstance(music, ScoreTick):
            return self._from_before
        count = len(self._tokenizer.bar_starts(sequence))
        tempo = in_effect(music.tempos, bar_lines(music, count)[theme])
        if tempo is None:
            return self._from_before
        known = np.array([float(value) for value in self._attribute.values])
        return self._attribute.within([int(np.abs(known - tempo.qpm).argmin())])
