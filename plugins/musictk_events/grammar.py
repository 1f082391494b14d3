"""Which events may follow: every piece has exactly one encoding.

piece   bar (bar | tick)*, ends with a note-off that leaves silence; the second bar is not longer
        than the first: a shorter opening bar is written as a whole one, with silence first
tick    [shift] note-off* ([velocity] note-on)*, ascending pitches, not empty after a shift
"""

from __future__ import annotations

from copy import copy
from math import inf

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Grammar, Parser, Texture
from musictk_events.layout import Layout


class EventsGrammar(Grammar):
    """The grammar of one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def parser(self) -> EventsParser:
        return EventsParser(self.layout)


class EventsParser(Parser):
    """The state: tick in the bar, sounding pitches, and last velocity."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sounding = np.zeros(layout.pitches, bool)
        self._count = 0  # how many sound
        self._velocity = -1  # the index of the last; -1 before the first
        self._last = -1  # the id before; -1 at the start
        self._tick = 0  # within the bar
        self._bars = 0  # so far
        self._begun = 0  # notes that begin in this bar
        self._bass = layout.pitches  # the index of the lowest of them
        self._bass_end = inf  # its tick, where it was the lowest that sounded
        self._total = self._covered = 0  # ticks of its notes, and of time in which any sounds
        self._bar_ticks = layout.bar_ticks[0]  # of this bar
        self._off = 0  # the lowest pitch index of the next note-off of this tick
        self._on = 0  # likewise of the next note-on
        self._ons = False  # whether a note-on was at this tick: no note-off may follow

    def allowed(self) -> NDArray[np.bool_]:
        layout = self._layout
        mask = np.zeros(layout.size, bool)
        if self._last < 0:
            mask[layout.bar : layout.on] = True
            return mask
        free = ~self._sounding[self._on :]
        if self._velocity >= 0:
            mask[layout.on + self._on : layout.off] = free
        if self._last >= layout.velocity and free.any():
            return mask
        if free.any():
            mask[layout.velocity :] = True
            if self._velocity >= 0:
                mask[layout.velocity + self._velocity] = False
        if not self._ons:
            mask[layout.off + self._off : layout.shift] = self._sounding[self._off :]
        if not layout.shift <= self._last < layout.velocity:
            mask[layout.shift : layout.shift + self._bar_ticks - 1 - self._tick] = True
            longest = self._bar_ticks if self._bars == 1 else max(layout.bar_ticks)
            mask[layout.bar : layout.on] = [ticks <= longest for ticks in layout.bar_ticks]
            mask[layout.space.eos] = not self._count and layout.off <= self._last < layout.shift
        return mask

    def advance(self, token: int) -> None:
        layout = self._layout
        if layout.bar <= token < layout.on:
            self._tick, self._bar_ticks = 0, layout.bar_ticks[token - layout.bar]
            self._bars += 1
            self._begun = self._total = self._covered = 0
            self._bass, self._bass_end = layout.pitches, inf
            self._begin_tick()
        elif layout.shift <= token < layout.velocity:
            tick = min(self._tick + token - layout.shift + 1, self._bar_ticks - 1)
            self._total += self._count * (tick - self._tick)
            self._covered += (tick - self._tick) * bool(self._count)
            self._tick = tick
            self._begin_tick()
        elif layout.on <= token < layout.off:
            self._sound(token - layout.on, True)
            self._on, self._ons = token - layout.on + 1, True
            self._begun += 1
        elif layout.off <= token < layout.shift:
            self._sound(token - layout.off, False)
            self._off = token - layout.off + 1
        elif layout.velocity <= token < layout.size:
            self._velocity = token - layout.velocity
        else:  # pad, bos, eos and unknown ids change nothing
            return
        self._last = token

    def fork(self) -> EventsParser:
        other = copy(self)
        other._sounding = self._sounding.copy()
        return other

    def texture(self) -> Texture:
        layout, last = self._layout, self._last
        shifted = layout.shift <= last < layout.velocity
        due = last >= layout.velocity or (shifted and not self._count)
        return Texture(
            length=self._bar_ticks / layout.metrics.quarter,
            time=self._tick / layout.metrics.quarter,
            begun=self._begun + due,
            due=due,
            sounding=self._count + due,
            lowest=layout.low + int(self._sounding.argmax()) if self._count else 128,
            bass_end=self._bass_end / layout.metrics.quarter,
            held=int(self._sounding[: None if self._ons else self._off].sum()),
        )

    def voices(self, until: float) -> float:
        passed = round(until * self._layout.metrics.quarter) - self._tick
        covered = self._covered + passed * bool(self._count)
        return (self._total + self._count * passed) / covered if covered else 0.0

    def _begin_tick(self) -> None:
        self._off = self._on = 0
        self._ons = False

    def _sound(self, pitch: int, on: bool) -> None:
        if on:
            self._bass, self._bass_end = min(pitch, self._bass), inf
        elif pitch == self._bass and pitch == int(self._sounding.argmax()):
            self._bass_end = self._tick
        self._count += int(on) - int(self._sounding[pitch])
        self._sounding[pitch] = on
