"""What the bar controls and constraints of a piece allow at its next position."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bounds
from musictk.generation.bar_plan import BarPlan
from musictk.generation.constraints import Constraint, constraints
from musictk.generation.ending import Ending
from musictk.generation.sampling import Sampling
from musictk.generation.tempo import BarTempo
from musictk.generation.texture import NO_BOUNDS
from musictk.tokens import METRE, TEMPO, Attribute, Parser, Tokenizer

Bools = NDArray[np.bool_]

# Notes that sound together: 90 % of human pieces have at most ten anywhere; and where many begin.
_HANDS, _HANDS_OF_MANY = 10, 6
_LAST_NOTES = 1.0  # per quarter note: the most that a density asks for in the last bar
_LONGEST = 5  # bars into which a note may last
_NO_METRE = Attribute((), np.zeros((0, 0), bool))


class BoundsOfBar(NamedTuple):
    """What is enforced of the notes of a bar, and of those that follow it."""

    here: Bounds
    later: Bounds  # of the next bar
    most: float  # notes that may last into the bars after it
    free: bool  # nothing is enforced, in this bar and in the next


class PieceLimits:
    """The limits of one piece. Bars are counted from 0 with those of a prompt."""

    def __init__(
        self, tokenizer: Tokenizer, plan: BarPlan, sampling: Sampling, prompt: NDArray[Any]
    ) -> None:
        self.plan = plan
        self._constraints: tuple[Constraint, ...] = constraints(tokenizer, sampling, prompt)
        controlled = TEMPO in plan.chosen
        self._tempo = BarTempo(tokenizer, plan, prompt) if controlled else None
        self.ending = Ending(tokenizer, plan, sampling.cadence)
        self._together: dict[tuple[int, int, tuple[int, ...]], Bools | None] = {}
        self._left: dict[tuple[int, float], float] = {}  # quarter notes to the end of the piece
        self._metre = tokenizer.attributes().get(METRE, _NO_METRE)
        self._mixed: dict[tuple[int, int], Bools] = {}  # by the ids of the masks it is made of
        # What is asked for with every token, by bar.
        self._chosen: dict[tuple[int, int], Bools | None] = {}
        # By bar and the bass of the end.
        self._bounds: dict[tuple[int, tuple[int, ...] | None], BoundsOfBar] = {}
        self._chosen_quarters: dict[int, float | None] = {}

    def of_pitches(self, bar: int) -> Bools | None:
        """(W,) of frames: the pitches that the controls of a bar allow; None if all.

        In the last bar only those of its chord and basses.
        """
        return self.ending.within(bar, self.plan.allowed(bar))

    def chosen(self, bar: int, following: int, begins: Bools) -> Bools | None:
        """(V,) what the controls allow in a bar; None if everything.

        Tokens that begin a bar, (V,) `begins`, are limited by what is chosen for the `following`.
        """
        key = bar, following
        if key not in self._chosen:
            here, later = self.plan.allowed(bar), self.plan.allowed(following)
            self._chosen[key] = self._mix(here, later, begins)
        return self._chosen[key]

    def constraining(self, bar: int, following: int, begins: Bools) -> list[Bools]:
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

    def together(self, bar: int, following: int, begins: Bools) -> Bools | None:
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

    def forced(self, bar: int, written: NDArray[Any], parser: Parser | None) -> Bools | None:
        """(V,) the tokens that a tempo at the beginning of this bar needs; None if none is due."""
        return None if self._tempo is None else self._tempo.allowed(bar, written, parser)

    def at_bar_line(self, following: int) -> Bools | None:
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
        found = self.plan.bounds(bar) if bar >= 0 else NO_BOUNDS
        if bar != self.ending.bar or self.ending.bass is None:
            return found
        fewest, most = found.voices
        most = max(min(most, self.ending.voices), fewest)
        # A final chord that lasts leaves no room for many notes but in clusters.
        notes = min(found.notes[0], _LAST_NOTES), found.notes[1]
        return found._replace(bass=self.ending.bass, voices=(fewest, most), notes=notes)

    def most_at_once(self, bar: int) -> int:
        """The most notes that may sound together in a keyboard piece, whatever is chosen.

        Without it a chosen density is reached with clusters instead of faster notes.
        """
        dense = self.plan.sets("density", bar) and not self.plan.sets("polyphony", bar)
        return _HANDS_OF_MANY if dense else _HANDS

    def bounds_of(self, bar: int) -> BoundsOfBar:
        """What is enforced of the notes of a bar and of those after it; computed once."""
        key = bar, self.ending.bass
        if key not in self._bounds:
            here, later = self.bounds(bar), self.bounds(bar + 1)
            # A note may last for several bars, and has to fit into each of them.
            most = min(self.bounds(bar + ahead).voices[1] for ahead in range(1, _LONGEST))
            free = here == later == NO_BOUNDS and self.ending.bar not in (bar, bar + 1)
            self._bounds[key] = BoundsOfBar(here, later, most, free)
        return self._bounds[key]

    def opens_ending(self, bar: int, after: Parser) -> bool:
        """Whether a token that begins a bar has notes in the last bar of a piece.

        Merged tokens may. The bass of that bar is not known before it begins.
        """
        now = after.texture()
        return bar == self.ending.bar and now is not None and now.begun > now.due

    def above_bass(self, bar: int, parser: Parser) -> Bools | None:
        """(V,) what may follow in a bar without leaving its bass; None where everything may."""
        now = None if self.bounds_of(bar).here.bass is None else parser.texture()
        return None if now is None else self.ending.allowed(now.lowest)

    def begin_bar(self, bar: int, sequence: NDArray[Any]) -> None:
        """A bar begins after `sequence`; the token that begins it is not written yet."""
        self.ending.begin_bar(bar, sequence)
        if self._tempo is not None:
            self._tempo.begin_bar(bar, sequence)

    def advance(self, token: int) -> None:
        """Update the limits with the token that was written."""
        for constraint in self._constraints:
            constraint.advance(token)
        if self._tempo is not None:
            self._tempo.advance(token)

    def _mix(self, here: Bools | None, later: Bools | None, begins: Bools) -> Bools | None:
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
        if bar not in self._chosen_quarters:
            self._chosen_quarters[bar] = _quarters_of(self.plan.value(METRE, bar))
        chosen = self._chosen_quarters[bar]
        if chosen is not None:
            return chosen
        steady = _quarters_of(self._steady_metre())
        return usual if steady is None else steady

    def _steady_metre(self) -> str | None:
        """The only metre that a constraint allows where no control gives one."""
        for constraint in self._constraints:
            allowed = constraint.allowed() if constraint.control == METRE else None
            if allowed is not None:
                attribute = self._metre
                known = np.flatnonzero(attribute.states[allowed].any(axis=0))
                return attribute.values[known[0]] if len(known) == 1 else None
        return None


def _quarters_of(metre: str | None) -> float | None:
    """The length of a bar in quarter notes."""
    return None if metre is None else float(4 * Fraction(metre))
