"""The last bar of a piece: the tonic is in its bass, or the root of the chord chosen for it."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.controls import Bars
from musictk.generation.bar_plan import BarPlan
from musictk.keys import find_key, nearest_keys
from musictk.tokens import PITCH, Tokenizer

_ABOVE_USUAL = 6  # semitones that the last bass may lie above the usual one of the piece


class Ending:
    """The key in which a piece ends, as soon as its last bar begins.

    It is the one that the user chose for the last bar, else that of the music before it. If the
    user chose two chords for the bar, its bass is free.
    """

    def __init__(self, tokenizer: Tokenizer, plan: BarPlan, wanted: bool) -> None:
        self._pitches = tokenizer.attributes().get(PITCH)
        planned = wanted and self._pitches is not None
        self.bar = plan.end - 1 if planned and plan.end is not None else None
        self.key: int | None = None  # an index in KEYS
        # Its tonics, or those roots, that the limits of the bar leave: one of them is the bass.
        self.bass: tuple[int, ...] | None = None
        self.voices: float = inf  # the most notes that sound together
        self._tokenizer, self._plan = tokenizer, plan
        self._allowed: dict[int, NDArray[np.bool_]] = {}

    def begin_bar(self, bar: int, sequence: NDArray[Any]) -> None:
        """A bar begins after `sequence`."""
        if bar != self.bar:
            return
        chosen = self._plan.value("key", bar)
        music = self._tokenizer.decode(sequence)
        if not isinstance(music, ScoreTick):
            return
        bars = Bars.of(music, len(self._tokenizer.bar_starts(sequence)))
        self.key = _key_of(bars) if chosen is None else find_key(chosen)
        self.voices = _most_together(bars)
        tonic, roots = None if self.key is None else self.key % 12, self._plan.roots(bar)
        if roots is not None:
            tonic = roots[0] if len(set(roots)) == 1 else None
        if tonic is not None:
            every, highest = tuple(range(tonic, 128, 12)), _usual_bass(bars) + _ABOVE_USUAL
            # Those up to `highest`; where the limits leave none of them, up to the next, and so on.
            ends = [*every[1:], 128]
            low = [every[: at + 1] for at, end in enumerate(ends) if end > highest]
            self.bass = next(filter(partial(self._can_write, bar), low), None)

    def allowed(self, lowest: int) -> NDArray[np.bool_]:
        """(V,) what may follow where `lowest` is the lowest pitch that sounds: 128 for none.

        A bass below it; any pitch above it, if it is a bass itself.
        """
        if lowest not in self._allowed:
            assert self._pitches is not None
            basses = self.bass or ()
            self._allowed[lowest] = self._pitches.within(
                [
                    index
                    for index, pitch in enumerate(map(int, self._pitches.values))
                    if (pitch in basses if pitch < lowest else lowest in basses)
                ]
            )
        return self._allowed[lowest]

    def _can_write(self, bar: int, pitches: Collection[int]) -> bool:
        """Whether the limits of a bar leave one of these pitches."""
        assert self._pitches is not None
        values = enumerate(self._pitches.values)
        mine = [index for index, value in values if int(value) in pitches]
        states = self._pitches.states[:, mine].any(axis=1)
        allowed = self._plan.allowed(bar)
        return bool((states if allowed is None else states & allowed).any())


def _key_of(bars: Bars) -> int | None:
    """The key that the music fits best; None without pitches."""
    found = int(nearest_keys(bars.classes().sum(axis=0, keepdims=True))[0])
    return found if found >= 0 else None


def _most_together(bars: Bars) -> float:
    """The most pitched notes that sound together; no limit where there are none."""
    found = bars.pitched
    begun = np.searchsorted(found.start, found.start, side="right")
    ended = np.searchsorted(np.sort(found.end), found.start, side="right")
    return float((begun - ended).max(initial=0)) or inf


def _usual_bass(bars: Bars) -> float:
    """The median over the bars of the lowest pitch that begins in each; 127 without notes."""
    found = np.full(len(bars), 128)
    np.minimum.at(found, bars.bar_of(bars.pitched.start), bars.pitched.pitch)
    lowest = found[found < 128]
    return float(np.median(lowest)) if len(lowest) else 127.0
