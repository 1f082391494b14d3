"""What the bar controls and constraints of a piece allow at its next position."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bounds
from musictk.generation.bar_plan import BarPlan
from musictk.generation.constraints import Constraint, constraints
from musictk.generation.ending import Ending
from musictk.generation.sampling import Sampling
from musictk.generation.tempo import BarTempo
from musictk.generation.texture import FREE, breaks
from musictk.tokens import METRE, TEMPO, Attribute, Parser, Tokenizer

Mask = NDArray[np.bool_]

_LONGEST = 5  # bars into which a note may last
_NO_METRE = Attribute((), np.zeros((0, 0), bool))


class Limits:
    """The limits of one piece. Bars are counted from 0 with those of a prompt."""

    def __init__(
        self, tokenizer: Tokenizer, plan: BarPlan, sampling: Sampling, prompt: NDArray[Any]
    ) -> None:
        self.plan = plan
        self._constraints: tuple[Constraint, ...] = constraints(tokenizer, sampling, prompt)
        controlled = TEMPO in plan.chosen
        self._tempo = BarTempo(tokenizer, plan, prompt) if controlled else None
        self.ending = Ending(tokenizer, plan, sampling.cadence)
        self._together: dict[tuple[int, int, tuple[int, ...]], Mask | None] = {}
        self._left: dict[tuple[int, float], float] = {}  # quarter notes to the end of the piece
        self._metre = tokenizer.attributes().get(METRE, _NO_METRE)
        self._mixed: dict[tuple[int, int], Mask] = {}  # by the ids of the masks it is made of

    def of_pitches(self, bar: int) -> Mask | None:
        """(W,) of frames: the pitches that the controls of a bar allow; None if all."""
        return self.plan.allowed(bar)

    def chosen(self, bar: int, following: int, begins: Mask) -> Mask | None:
        """(V,) what the controls allow in a bar; None if everything.

        Tokens that begin a bar, (V,) `begins`, are limited by what is chosen for the `following`.
        """
        return self._mix(self.plan.allowed(bar), self.plan.allowed(following), begins)

    def constraining(self, bar: int, following: int, begins: Mask) -> list[Mask]:
        """(V,) what each constraint allows, where no control is chosen instead."""
        found = []
        for constraint in self._constraints:
            allowed = constraint.allowed()
            here, later = (
                None if constraint.control and self.plan.sets(constraint.control, each) else allowed
                for each in (bar, following)
            )
            found.append(self._mix(here, later, begins))
        return [mask for mask in found if mask is not None]

    def together(self, bar: int, following: int, begins: Mask) -> Mask | None:
        """(V,) what the controls and the constraints allow together; None if everything.

        Computed once for each bar: it is used for every token.
        """
        key = bar, following, tuple(id(each.allowed()) for each in self._constraints)
        if key not in self._together:
            masks = self.constraining(bar, following, begins)
            masks += [mask for mask in [self.chosen(bar, following, begins)] if mask is not None]
            self._together[key] = np.logical_and.reduce(masks) if masks else None
        return self._together[key]

    @property
    def is_forcing(self) -> bool:
        """Whether `forced` can be anything but None; cheap, for every token."""
        return self._tempo is not None and self._tempo.is_open

    def forced(self, bar: int, written: NDArray[Any], parser: Parser | None) -> Mask | None:
        """(V,) the tokens that a tempo at the beginning of this bar needs; None if none is due."""
        return None if self._tempo is None else self._tempo.allowed(bar, written, parser)

    def at_bar_line(self, following: int) -> Mask | None:
        """(V,) the tokens that may begin a bar so that its tempo can follow; None if any."""
        return None if self._tempo is None else self._tempo.at_bar_line(following)

    def too_long(self, bar: int, before: Parser, after: Parser, begins: bool) -> bool:
        """Whether a token of a bar, which it `begins` or not, has notes last past the piece."""
        was, extent, end = before.extent(), after.extent(), self.plan.end
        if was is None or extent is None or end is None or bar >= end or extent == was:
            return False
        length, last = extent
        if last <= length:
            return False
        key = bar, length
        if key not in self._left:
            usual = self._quarters(bar, length)
            later = (self._quarters(each, usual) for each in range(bar + 1, end))
            self._left[key] = usual + sum(later)
        left = self._left[key]
        sounded = was[1] - was[0] * begins
        return last > left and (last > sounded or (length < was[0] and not begins))

    def bounds(self, bar: int) -> Bounds:
        """What is enforced of the notes of a bar: by its controls, and in the last bar.

        Bar -1, before the first, has no bounds.
        """
        found = self.plan.bounds(bar) if bar >= 0 else FREE
        if bar != self.ending.bar or self.ending.bass is None:
            return found
        return found._replace(bass=self.ending.bass)

    def bounded(self, bar: int) -> bool:
        """Whether the notes of a bar have bounds."""
        return bar == self.ending.bar or self.bounds(bar) != FREE

    def opens_ending(self, bar: int, after: Parser) -> bool:
        """Whether a token that begins a bar has notes in the last bar of a piece.

        Merged tokens may. The bass of that bar is not known before it begins.
        """
        now = after.texture()
        return bar == self.ending.bar and now is not None and now.begun > now.due

    def above_bass(self, bar: int, parser: Parser) -> Mask | None:
        """(V,) what may follow in a bar without leaving its bass; None where everything may."""
        now = parser.texture()
        if now is None or self.bounds(bar).bass is None:
            return None
        return self.ending.allowed(now.lowest)

    def breaks_bounds(self, bar: int, before: Parser, parts: list[Parser], begins: bool) -> bool:
        """Whether a token breaks the bounds on the notes of a bar, or of the next, which it
        `begins` or not. `parts`: the parser after each part of the token."""
        later = self.bounds(bar + 1)
        # A note may last for several bars, and has to fit into each of them.
        most = min(self.bounds(bar + ahead).voices[1] for ahead in range(1, _LONGEST))
        return breaks(self.bounds(bar), later, most, before, parts, begins)

    def begin_bar(self, bar: int, sequence: NDArray[Any]) -> None:
        """A bar begins after `sequence`; the token that begins it is not written yet."""
        self.ending.begin_bar(bar, sequence)
        if self._tempo is not None:
            self._tempo.begin_bar(bar)

    def advance(self, token: int) -> None:
        """Update the limits with the token that was written."""
        for constraint in self._constraints:
            constraint.advance(token)
        if self._tempo is not None:
            self._tempo.advance(token)

    def _mix(self, here: Mask | None, later: Mask | None, begins: Mask) -> Mask | None:
        """`here`, but `later` for tokens that begin a bar."""
        if here is later:
            return here
        key = id(here), id(later)
        if key not in self._mixed:
            everything = np.ones(len(begins), bool)
            self._mixed[key] = np.where(
                begins,
                everything if later is None else later,
                everything if here is None else here,
            )
        return self._mixed[key]

    def _quarters(self, bar: int, usual: float) -> float:
        """The length of a bar in quarter notes: as chosen, as constrained, else the usual one."""
        metre = self.plan.value(METRE, bar) or self._steady_metre()
        return usual if metre is None else float(4 * Fraction(metre))

    def _steady_metre(self) -> str | None:
        """The only metre that a constraint allows where no control gives one."""
        for constraint in self._constraints:
            allowed = constraint.allowed() if constraint.control == METRE else None
            if allowed is not None:
                attribute = self._metre
                known = np.flatnonzero(attribute.states[allowed].any(axis=0))
                return attribute.values[known[0]] if len(known) == 1 else None
        return None
