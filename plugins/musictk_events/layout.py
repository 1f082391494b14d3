"""The ids of `events`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Tokens
from musictk.tokens.metrics import Metrics


class Layout:
    """The special tokens, a bar of each metre, then note-ons and note-offs by pitch, shifts by
    length, velocities."""

    bar = Tokens.ordinary  # of the first metre

    def __init__(self, metrics: Metrics, pitch_range: tuple[int, int], velocities: int) -> None:
        self.metrics = metrics
        self.bar_ticks: list[int] = metrics.lengths.tolist()
        self.low, high = pitch_range
        self.pitches = high - self.low + 1
        self.levels = np.linspace(0, 127, velocities + 1).astype(np.int64)[1:]  # MIDI velocities
        self.on = self.bar + len(self.bar_ticks)
        self.off = self.on + self.pitches
        self.shift = self.off + self.pitches  # of one tick; the longest stays within a bar
        self.velocity = self.shift + max(self.bar_ticks) - 1
        self.size = self.velocity + velocities
        self.space = Tokens(self.size)
        self._spans = {
            "bar": (self.bar, self.on),
            "on": (self.on, self.off),
            "off": (self.off, self.shift),
            "shift": (self.shift, self.velocity),
            "velocity": (self.velocity, self.size),
        }

    def names(self) -> list[str]:
        """(V,) such as "Bar_3/4", "NoteOn_60", "NoteOff_60", "TimeShift_12" (ticks)."""
        pitches = range(self.low, self.low + self.pitches)
        return [
            *("PAD_None", "BOS_None", "EOS_None"),
            *(f"Bar_{over}/{under}" for over, under in self.metrics.known),
            *(f"NoteOn_{pitch}" for pitch in pitches),
            *(f"NoteOff_{pitch}" for pitch in pitches),
            *(f"TimeShift_{ticks}" for ticks in range(1, max(self.bar_ticks))),
            *(f"Velocity_{level}" for level in self.levels.tolist()),
        ]

    def within(self, ids: NDArray[np.int64], kind: str) -> NDArray[np.bool_]:
        """Which of `ids` are of `kind`."""
        start, stop = self._spans[kind]
        return (ids >= start) & (ids < stop)

    def nearest(self, velocity: NDArray[np.int64]) -> NDArray[np.int64]:
        """The index of the nearest level; halfway is the higher."""
        return np.searchsorted(self.levels[:-1] + self.levels[1:], 2 * velocity, "right")
