"""How many notes there are, one after the other and together."""

from __future__ import annotations

import numpy as np

from musictk.controls import Bars, Bounds, Control
from musictk.controls.contract import Ids
from musictk.errors import UnknownNameError
from musictk.tokens import PITCH, Tokenizer

# Notes per quarter note: the upper ends of all but the last class.
_DENSITIES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_WORDS = {"sparse": 1.0, "low": 1.5, "medium": 3.0, "high": 6.0, "dense": 8.0}
_NUMBERS = {**_WORDS, "more": np.inf}
_VOICES = ("1", "2", "3", "4", "5", "6")


class Density(Control):
    """Notes per quarter note that begin in a bar, drums included."""

    name = "density"
    values = (*(f"{density:g}" for density in _DENSITIES), "more")
    help = "Notes per quarter note: a number, or sparse, low, medium, high, dense."

    def measure(self, bars: Bars) -> Ids:
        counts = np.bincount(bars.bar_of(bars.notes.start), minlength=len(bars))
        return _density_id(counts / np.maximum(bars.beats, 1e-9))[:, None]

    def parse(self, text: str) -> Ids:
        word = text.strip().casefold()
        try:
            value = _NUMBERS[word] if word in _NUMBERS else float(word)
        except ValueError:
            value = -1.0
        if not value >= 0:
            raise UnknownNameError(self.name, text.strip(), (*_WORDS, *self.values))
        return _density_id(np.array([value]))

    def simplified(self, text: str) -> str:
        most = _DENSITIES[-1]
        try:
            return f"more than {most:g}" if float(text) > most else ""
        except ValueError:  # a word
            return ""

    def bounds(self, ids: Ids) -> Bounds:
        index = int(ids[0]) - 1
        least = _DENSITIES[index - 1] + 1e-6 if index else 0.0  # classes exclude their lower ends
        most = _DENSITIES[index] if index < len(_DENSITIES) else np.inf
        return Bounds(notes=(least, most))


def _density_id(density: np.ndarray) -> Ids:
    return (np.searchsorted(_DENSITIES, density - 1e-9) + 1).astype(np.uint8)


class Polyphony(Control):
    """The mean number of pitched notes that sound together, while any does; 6 means more, too."""

    name = "polyphony"
    values = _VOICES
    help = "Notes that sound together on average, from 1 to 6: 1 exactly, others within one."

    def measure(self, bars: Bars) -> Ids:
        _, part, ticks = bars.sounding()
        total = np.bincount(part, ticks, len(bars))
        covered = _covered(bars)
        mean = np.rint(total / np.maximum(covered, 1))
        return np.where(covered > 0, np.clip(mean, 1, len(_VOICES)), 0).astype(np.uint8)[:, None]

    def applies(self, tokenizer: Tokenizer) -> bool:
        return PITCH in tokenizer.attributes()

    def bounds(self, ids: Ids) -> Bounds:
        """Less than one voice fewer on average, and never more than one voice more.

        One voice is one: whoever asks for a melody does not expect chords.
        """
        voices = int(ids[0])
        most = {1: 1.0, len(_VOICES): np.inf}.get(voices, voices + 1.0)
        return Bounds(voices=(voices - 1, most))


def _covered(bars: Bars) -> np.ndarray:
    """(N,) ticks of each bar in which at least one pitched note sounds."""
    notes = bars.pitched
    if not len(notes):
        return np.zeros(len(bars), np.int64)
    reached = np.maximum.accumulate(notes.end)
    begins = np.append(True, notes.start[1:] > reached[:-1])  # of a stretch without a rest
    start = notes.start[begins]
    end = reached[np.append(np.flatnonzero(begins)[1:] - 1, len(notes) - 1)]
    # ticks covered before a tick: those of whole stretches, and of the one it is in
    before = np.cumsum(np.append(0, end - start))
    index = np.searchsorted(start, bars.lines, "right") - 1
    inside = np.minimum(bars.lines, end[index]) - start[index]
    passed = np.where(index >= 0, before[index] + np.maximum(inside, 0), 0)
    return np.diff(passed)
