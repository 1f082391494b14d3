"""The state of a REMI sequence: what may follow, and the notes of the bar."""

from __future__ import annotations

from math import inf
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Parser, Texture
from musictk.tokens.metrics import Metre
from musictk_remi.bar_notes import BarNotes
from musictk_remi.tables import Tables


class ParserState(NamedTuple):
    """Everything that decides what may follow, as numbers. Ticks count from the bar line."""

    metre: Metre
    opening: bool  # before the first tempo
    alone: bool  # the bar is the first, so that the next may not be longer
    tempo: int  # −1 before the first
    note: int  # key of the last note of the group
    program: int  # key of its program, without a pitch
    tick: int
    position: int  # of the group, −1 before the first of the bar
    end: int  # until when something sounds, 0 where it has ended
    next_end: int  # the same from the next bar line
    silence: int  # where the silence before the next group begins, or the rests so far end
    last: int  # the last position at which that group may begin


class RemiParser(Parser):
    """The state: tick, metre, tempo, end of sounding notes, and last note."""

    def __init__(self, grammar: Tables) -> None:
        self._grammar = grammar
        self._kind = ""  # of the token before; "" at the start
        self._bar = -1  # tick of the bar line
        self._bars = 0  # so far
        self._tick = 0  # of the group being written, or of the rest's end
        self._began = False  # whether this bar has a group already
        self._end = 0  # until when something sounds
        self._notes = BarNotes()
        self._texture: Texture | None = None  # until the next token
        self._below = 0  # a group after rests begins before this tick; 0 where no rest was
        self._tempo = -1
        self._program = self._pitch = -1  # token ids of the last note of this group
        self._measure((4, 4))

    def allowed(self) -> NDArray[np.bool_]:
        grammar, kind = self._grammar, self._kind
        if kind in ("Pitch", "PitchDrum"):
            return grammar.masks["Velocity"]
        if kind == "Velocity":
            return grammar.masks["Duration"]
        if kind == "":
            return grammar.masks["Bar"]
        if kind == "Bar" and grammar.time_signatures:
            # A shorter opening bar is written as a whole one, with rests before its music.
            return grammar.masks["TimeSig"] if self._bars != 2 else grammar.second[self._metre]
        mask = np.zeros(grammar.size, bool)
        if kind == "Program":
            self._allow_pitches(mask)
        elif kind == "Position":
            self._allow_notes(mask)
            self._allow_tempos(mask)
        elif kind == "Rest":
            self._allow_rests(mask)
            self._allow_positions(mask)
            # no position is left only after a token that was not allowed
            mask[grammar.spans["Bar"]] = not mask.any()
        else:  # after a note, a tempo, a metre
            if kind in ("Duration", "Tempo"):
                self._allow_notes(mask)
            if not grammar.tempos or self._tempo >= 0:
                mask[grammar.spans["Bar"]] = True
                self._allow_rests(mask)
            self._allow_positions(mask)
            mask[grammar.eos] = kind == "Duration"
        return mask

    def advance(self, token: int) -> None:
        grammar = self._grammar
        kind = grammar.kinds[token] if 0 <= token < grammar.size else ""
        if kind not in grammar.spans:  # pad, bos, eos and unknown ids change nothing
            return
        if kind != "Velocity":  # the only one that changes nothing that is heard
            self._texture = None
        value = token - grammar.spans[kind].start
        self._below = self._below if kind == "Rest" else 0
        if kind == "Bar":
            self._take_bar()
        elif kind == "TimeSig":
            self._take_metre(grammar.metres[value])
        elif kind == "Rest":
            self._take_rest(value)
        elif kind == "Position":
            self._tick, self._began = self._bar + value * self._step, True
            self._program = self._pitch = -1
        elif kind == "Tempo":
            self._tempo, self._end = value, max(self._end, self._tick)
        elif kind == "Program":
            self._pitch = self._pitch if token == self._program else -1
            self._program = token
        elif kind in ("Pitch", "PitchDrum"):
            self._pitch = token
            pitch = grammar.lowest + value if kind == "Pitch" else None
            self._notes = self._notes.with_note(self._tick, pitch)
        elif kind == "Duration":
            end = self._tick + int(self._durations[value])
            self._end = max(self._end, end)
            if self._pitch < grammar.spans["Pitch"].stop:
                self._notes = self._notes.with_end(end)
        self._kind = kind

    def fork(self) -> RemiParser:
        other = RemiParser.__new__(RemiParser)
        other.__dict__.update(self.__dict__)  # many times as fast as `copy`
        return other

    def extent(self) -> tuple[float, float]:
        quarter = self._grammar.quarter
        return self._bar_ticks / quarter, (self._end - self._bar) / quarter

    def texture(self) -> Texture:
        if self._texture is None:
            self._texture = self._measured()
        return self._texture

    def voices(self, until: float) -> float:
        return self._notes.voices(self._bar, self._bar + round(until * self._grammar.quarter))

    def _measured(self) -> Texture:
        grammar, kind = self._grammar, self._kind
        opening = grammar.tempos and self._tempo < 0  # its position is for a tempo
        due = not opening and kind in ("Rest", "Position", "Program")
        drum = kind == "Program" and grammar.pitches(self._program) is grammar.spans["PitchDrum"]
        sounding = self._notes.sounding(self._tick)
        # Of notes of one pitch the last written: its duration may have to follow.
        start, end, lowest = min(reversed(sounding), key=itemgetter(2), default=(-1, -1, 128))
        ends = start >= self._bar and end > start
        return Texture(
            length=self._bar_ticks / grammar.quarter,
            time=(self._tick - self._bar) / grammar.quarter,
            begun=self._notes.begun + due,
            due=due,
            sounding=len(sounding) + (due and not drum),
            lowest=lowest,
            bass_end=(end - self._bar) / grammar.quarter if ends else inf,
            held=self._notes.held(self._next_bar()),
        )

    def state(self) -> ParserState:
        """The state as numbers, for `merge_bounds.Bounds`."""
        grammar, bar = self._grammar, self._bar
        pitches = grammar.pitches(self._program)
        pitch = self._pitch
        if grammar.programs and not pitches.start <= pitch < pitches.stop:
            pitch = -1
        return ParserState(
            metre=self._metre,
            opening=grammar.tempos and self._tempo < 0,
            alone=self._bars == 1,
            tempo=self._tempo,
            note=grammar.key(self._program, pitch),
            program=grammar.key(self._program, 0),
            tick=self._tick - bar,
            position=(self._tick - bar) // self._step if self._began else -1,
            end=max(self._end - bar, 0),
            next_end=max(self._end - self._next_bar(), 0),
            silence=self._rests_from() - bar,
            last=self._last_position() - bar,
        )

    def _next_bar(self) -> int:
        return 0 if self._bar < 0 else self._bar + self._bar_ticks

    def _take_bar(self) -> None:
        self._bar = self._next_bar()
        self._bars += 1
        self._tick, self._began = self._bar, False
        self._notes = self._notes.after(self._bar)
        self._program = self._pitch = -1

    def _take_metre(self, metre: Metre) -> None:
        self._measure(metre)

    def _take_rest(self, value: int) -> None:
        ticks = int(self._rests[value])
        start = self._rests_from()
        longer = int(self._rests[value + 1]) if value + 1 < len(self._rests) else 1 << 40
        self._below = min(self._below or 1 << 40, start + longer)
        self._tick = start + ticks

    def _measure(self, metre: Metre) -> None:
        grammar = self._grammar
        self._metre = metre
        beat = grammar.beats[metre[1]]
        self._bar_ticks, self._step = beat * metre[0], beat // grammar.per_beat
        self._durations = grammar.durations[metre[1]]
        self._rests = grammar.rest_ticks[metre[1]]
        self._shortest = int(self._rests[0]) if grammar.rests else 1 << 40

    def _silent_since(self) -> int:
        """The tick from which the silence before the next group counts."""
        return max(self._end, self._bar, self._tick)

    def _rests_from(self) -> int:
        """The tick at which the next rest begins."""
        return self._tick if self._below else self._silent_since()

    def _last_position(self) -> int:
        """The tick of the bar's last position at which the next group may begin."""
        limit = min(self._below or 1 << 40, self._bar + self._bar_ticks)
        return self._bar + (limit - 1 - self._bar) // self._step * self._step

    def _allow_notes(self, mask: NDArray[np.bool_]) -> None:
        """The next note of this group: its program, or its pitch."""
        grammar = self._grammar
        if not grammar.programs:
            span = grammar.spans["Pitch"]
            mask[max(span.start, self._pitch + 1) : span.stop] = True
            return
        span = grammar.spans["Program"]
        full = self._pitch == grammar.pitches(self._program).stop - 1
        mask[max(span.start, self._program + int(full)) : span.stop] = True

    def _allow_pitches(self, mask: NDArray[np.bool_]) -> None:
        span = self._grammar.pitches(self._program)
        first = max(span.start, self._pitch + 1)
        mask[first if first < span.stop else span.start : span.stop] = True

    def _allow_tempos(self, mask: NDArray[np.bool_]) -> None:
        if self._grammar.tempos:
            span = self._grammar.spans["Tempo"]
            mask[span] = True
            if self._tempo >= 0:
                mask[span.start + self._tempo] = False
            else:  # the first tempo comes before all notes
                mask[: span.start] = mask[span.stop :] = False

    def _allow_positions(self, mask: NDArray[np.bool_]) -> None:
        """Positions later than the group before, and not after a silence that needs rests."""
        grammar, step, bar = self._grammar, self._step, self._bar
        span = grammar.spans["Position"]
        if grammar.tempos and self._tempo < 0:
            mask[span.start] = True
            return
        if self._below:
            low = -(-(self._tick - bar) // step)
            high = min(self._tick + self._shortest, self._below, bar + self._bar_ticks)
        else:
            low = (self._tick - bar) // step + 1 if self._began else 0
            high = min(self._silent_since() + self._shortest, bar + self._bar_ticks)
        high = -(-(high - bar) // step)
        mask[span.start + low : max(span.start + low, span.start + high)] = True

    def _allow_rests(self, mask: NDArray[np.bool_]) -> None:
        """Rests after which a position is left in the bar, none longer than what was left over."""
        if not self._grammar.rests:
            return
        span = self._grammar.spans["Rest"]
        longest = self._last_position() - self._rests_from()
        fitting = int(np.searchsorted(self._rests, longest, "right"))
        mask[span.start : span.start + fitting] = True
