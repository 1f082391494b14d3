"""The bounds on the parser's state that a run of base tokens requires.

A run is parsed once, by the rules of `RemiGrammar`, without the tokens before it. Requirements on
those (a lower pitch, a silence of some length) become bounds on the numbers of a `ParserState`, so
that a comparison of arrays finds the runs that may follow.
Ticks count from the bar line.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.metrics import Metre
from musictk_remi.grammar import RemiGrammar
from musictk_remi.parser import ParserState

FAR = 1 << 29  # beyond every tick, id and pair of program and pitch
_TAIL = ("Duration", "Tempo")  # a group may be over after these


class Bounds:
    """The bounds of many runs, for one metre before them: V runs, base ids within bars."""

    def __init__(self, grammar: RemiGrammar, runs: Iterable[list[int]], state: ParserState) -> None:
        columns = [_bounds(grammar, run, state) for run in runs]
        self._all = np.array([column[:10] for column in columns], np.int32).T.copy()  # (10, V)
        self._any = np.array([column[10:13] for column in columns], np.int32).T.copy()  # (3, V)
        self._tempo = np.array([column[13] for column in columns], np.int32)  # (V,)

    def keep(self, at: ParserState) -> NDArray[np.bool_]:
        """(V,) True where all after a run's first token is well formed, if that one is."""
        highest = (-at.note, -at.program, -at.position, -at.end, -at.next_end, -at.tick)
        have = _column(*highest, at.silence, -at.silence, at.last - at.silence, at.last)
        ends = _column(at.end, at.next_end, at.tick)
        kept: NDArray[np.bool_] = np.logical_and.reduce(self._all <= have)
        kept &= np.logical_or.reduce(self._any <= ends)
        kept &= self._tempo != at.tempo
        return kept


def _column(*figures: int) -> NDArray[np.int32]:
    return np.array(figures).clip(-FAR, FAR).astype(np.int32)[:, None]


def _bounds(grammar: RemiGrammar, run: list[int], state: ParserState) -> list[int]:
    """The columns that `Bounds.keep` compares: least values, negated where a figure is."""
    reading = _Reading(grammar, run[0], state)
    legal = all(reading.follow(token) for token in run[1:])
    ends = [reading.low, FAR, max(reading.low - reading.held, -FAR)]
    highest = [-reading.high, -FAR, max(reading.held - reading.high, -FAR)]
    if grammar.kinds[run[0]] == "Bar":
        ends, highest = [FAR, reading.low, FAR], [-FAR, -reading.high, -FAR]
    return [
        *(1 - reading.note_below if legal else FAR, 1 - reading.program_below),
        *(1 - reading.position_below, *highest),
        *(reading.silence_low, -reading.silence_high, reading.rested, reading.place),
        *(*ends, reading.tempo_other),
    ]


class _Reading:
    """One run, read from its first token on, which the base grammar has allowed."""

    def __init__(self, grammar: RemiGrammar, first: int, state: ParserState) -> None:
        self._grammar = grammar
        # the bounds: on all notes before, and until when the run's first notes sound
        self.low, self.high, self.held = -FAR, FAR, -FAR
        self.silence_low, self.silence_high, self.rested, self.place = -FAR, FAR, -FAR, -FAR
        self.note_below = self.program_below = self.position_below = FAR
        self.tempo_other = -2
        # what is known: None where it depends on what is before
        self._tick: int | None = None
        self._began = False  # where the tick is known: whether the bar has a group already
        self._end = 0  # until when the notes at known ticks sound
        self._rest: int | None = None  # ticks from the silence's beginning, after rests
        self._below = FAR  # a group begins before this many ticks of the silence
        self._outside = False  # whether the silence began before the run
        self._opening = state.opening  # before the first tempo
        self._longest_bar = grammar.bar_ticks[state.metre] if state.alone else FAR
        self._tempo: int | None = None
        self._note: int | None = None  # key of the last note in this group
        self._pitch: int | None = None  # the first token, where its program is unknown
        self._program = -1
        self._kind = grammar.kinds[first]
        self._measure(state.metre)
        self._begin(first)

    def follow(self, token: int) -> bool:
        """Parse a token; False if the rules forbid it after any tokens before the run."""
        grammar, before = self._grammar, self._kind
        kind = grammar.kinds[token]
        value = token - grammar.spans[kind].start if kind in grammar.spans else 0
        if kind == "Velocity":
            legal = before in ("Pitch", "PitchDrum")
        elif kind == "Duration":
            legal = before == "Velocity"
            self._sound(int(self._durations[value]))
        elif kind in ("Pitch", "PitchDrum", "Program"):
            legal = self._follow_note(kind, token)
        elif kind == "Rest":
            legal = self._follow_rest(value)
        elif kind == "Position":
            legal = self._follow_position(value)
        elif kind == "Tempo":
            legal = self._follow_tempo(value)
        elif kind == "TimeSig":
            metre = grammar.metres[value]
            legal = before == "Bar" and grammar.bar_ticks[metre] <= self._longest_bar
            self._measure(metre)
        else:  # a bar, which begins a run or is none of it
            legal = False
        self._kind = kind
        return legal

    def _begin(self, token: int) -> None:
        grammar, kind = self._grammar, self._kind
        value = token - grammar.spans[kind].start if kind in grammar.spans else 0
        if kind == "Bar":
            self._tick = 0
        elif kind == "TimeSig":
            self._tick = 0
            self._measure(grammar.metres[value])
        elif kind == "Position":
            self._place(value)
        elif kind == "Rest":
            self._outside = True
            self._lengthen(value)
        elif kind == "Tempo":
            self._opening, self._tempo, self._note = False, value, -FAR
            self._sound(0)
        elif kind == "Duration":
            self._sound(int(self._durations[value]))
        elif kind == "Program":
            self._program = token
        elif kind == "Pitch" and not grammar.programs:
            self._note = grammar.key(-1, token)
        elif kind in ("Pitch", "PitchDrum"):
            self._pitch = token

    def _follow_note(self, kind: str, token: int) -> bool:
        """Programs, then pitches ascend within a group."""
        grammar = self._grammar
        if kind == "Program":
            self._program = token
            legal = grammar.programs and self._may_note()
            return legal and self._ascends(grammar.key(token, grammar.pitches(token).stop - 1))
        if grammar.programs:
            span = grammar.pitches(self._program)
            legal = self._kind == "Program" and span.start <= token < span.stop
        else:
            legal = kind == "Pitch" and self._may_note()
        key = grammar.key(self._program, token)
        legal = legal and self._ascends(key)
        self._note = key
        return legal

    def _may_note(self) -> bool:
        return self._kind in _TAIL or (self._kind == "Position" and not self._opening)

    def _ascends(self, key: int) -> bool:
        if self._note is not None:
            return key > self._note
        if self._pitch is not None:
            self.program_below = min(self.program_below, key - self._pitch)
        else:
            self.note_below = min(self.note_below, key)
        return True

    def _follow_tempo(self, value: int) -> bool:
        legal = self._grammar.tempos and self._kind == "Position" and value != self._tempo
        if self._tempo is None:
            self.tempo_other = value
        self._opening, self._tempo = False, value
        self._sound(0)
        return legal

    def _follow_rest(self, value: int) -> bool:
        """Some position must be left after it, in the bar and before the silence's limit."""
        if self._kind != "Rest" and (self._opening or not self._group_over()):
            return False
        below = self._below
        rest = self._lengthen(value)
        if self._outside:
            self.rested = max(self.rested, rest)
            return below > rest
        return below > rest and self._silence_within(-FAR, self._last - rest)

    def _follow_position(self, value: int) -> bool:
        place, rest, tick = value * self._step, self._rest, self._tick
        legal = self._kind == "Rest" or self._group_over()
        if self._opening:
            legal = legal and value == 0
        elif rest is None:
            if tick is None:
                self.position_below = value
            elif self._began:
                legal = legal and value > tick // self._step
            legal = legal and place <= self._last
            legal = legal and self._silence_within(place - self._shortest + 1, FAR)
        else:
            if self._outside:
                self.place = place
            else:
                legal = legal and place <= self._last
            longest = min(rest + self._shortest, self._below) - 1
            legal = legal and self._silence_within(place - longest, place - rest)
        self._place(value)
        return legal

    def _group_over(self) -> bool:
        metred = "TimeSig" if self._grammar.time_signatures else "Bar"
        return self._kind in (*_TAIL, metred)

    def _silence_within(self, low: int, high: int) -> bool:
        """Ask that the silence before the next group begins at these ticks, both included."""
        if self._outside:
            self.silence_low = max(self.silence_low, low)
            self.silence_high = min(self.silence_high, high)
            return True
        known = max(self._end, self._tick or 0)
        self.high = min(self.high, high)
        if known < low:
            self.low = max(self.low, low)
        return known <= high

    def _lengthen(self, value: int) -> int:
        start, rests = self._rest or 0, self._rests
        longer = start + int(rests[value + 1]) if value + 1 < len(rests) else FAR
        self._below = min(self._below, longer)
        self._rest = start + int(rests[value])
        return self._rest

    def _place(self, value: int) -> None:
        self._tick, self._began, self._note, self._pitch = value * self._step, True, -FAR, None
        self._rest, self._below, self._outside = None, FAR, False

    def _sound(self, ticks: int) -> None:
        if self._tick is None:
            self.held = max(self.held, ticks)
        else:
            self._end = max(self._end, self._tick + ticks)

    def _measure(self, metre: Metre) -> None:
        grammar = self._grammar
        beat = grammar.beats[metre[1]]
        self._step = beat // grammar.per_beat
        self._last = beat * metre[0] - self._step  # the last position of the bar
        self._durations = grammar.durations[metre[1]]
        self._rests = grammar.rest_ticks[metre[1]]
        self._shortest = int(self._rests[0]) if grammar.rests else FAR
