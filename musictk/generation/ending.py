"""The last bar of a piece: its tonic chord over the tonic, or over the root of a chosen chord."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property, partial
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.controls import Bars
from musictk.generation.bar_plan import BarPlan
from musictk.keys import KEYS, find_key, key_fits, keys_of_signature, tonic_chord
from musictk.music import bars as lines
from musictk.music import last_bass
from musictk.tokens import PITCH, Tokenizer

_ABOVE_USUAL = 6  # semitones that the last bass may lie above the usual one of the piece
_LIKELY = 4  # keys that fit best, of which a signature or a bass chooses


class Ending:
    """The key in which a piece ends, as soon as its last bar begins.

    It is the one that the user chose for the last bar, else that of the request, else that of the
    music before it. If the user chose chords for the bar, all that is decided is the bass of one.
    """

    def __init__(self, tokenizer: Tokenizer, plan: BarPlan, wanted: bool) -> None:
        self._pitches = tokenizer.attributes().get(PITCH)
        planned = wanted and self._pitches is not None
        self.bar = plan.end - 1 if planned and plan.end is not None else None
        self.key: int | None = None  # an index in KEYS
        # Its tonics, or those roots, that the limits of the bar leave: one of them is the bass.
        self.bass: tuple[int, ...] | None = None
        self.chord: frozenset[int] | None = None  # the pitch classes above that bass; None: any
        self._left_out: tuple[int, ...] = ()  # a bass that could not be written
        self.voices: float = inf  # the most notes that sound together
        self._tokenizer, self._plan = tokenizer, plan
        self._begun = False
        self._allowed: dict[int, NDArray[np.bool_]] = {}

    def begin_bar(self, bar: int, sequence: NDArray[Any]) -> None:
        """A bar begins after `sequence`; done once where it is called again."""
        if bar != self.bar or self._begun:
            return
        self._begun = True
        chosen = self._plan.value("key", bar)
        music = self._tokenizer.decode(sequence)
        if not isinstance(music, ScoreTick):
            return
        bars = Bars.of(music, len(self._tokenizer.bar_starts(sequence)))
        self.key = self._plan.final_key if chosen is None else find_key(chosen)
        if self.key is None:
            self.key = final_key(bars)
        self.voices = _most_together(bars)
        tonic, roots = None if self.key is None else self.key % 12, self._plan.roots(bar)
        if roots is not None:
            tonic = roots[0] if len(set(roots)) == 1 else None
        elif self.key is not None:
            self.chord = frozenset(tonic_chord(self.key))
        if tonic is not None:
            every, highest = tuple(range(tonic, 128, 12)), _usual_bass(bars) + _ABOVE_USUAL
            # Those up to `highest`; where the limits leave none of them, up to the next, and so on.
            ends = [*every[1:], 128]
            low = [every[: at + 1] for at, end in enumerate(ends) if end > highest]
            self.bass = next(filter(partial(self._can_write, bar), low), None)

    def allowed(self, lowest: int) -> NDArray[np.bool_]:
        """(V,) what may follow where `lowest` is the lowest pitch that sounds: 128 for none.

        A bass below it; a pitch of the chord above it, if it is a bass itself.
        """
        if lowest not in self._allowed:
            assert self._pitches is not None
            basses = self.bass or ()
            self._allowed[lowest] = self._pitches.within(
                [
                    index
                    for index, pitch in enumerate(map(int, self._pitches.values))
                    if (
                        pitch in basses
                        if pitch < lowest
                        else lowest in basses and self._fits(pitch)
                    )
                ]
            )
        return self._allowed[lowest]

    def within(self, bar: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """(W,) of frames: those of the `allowed` pitches that the last bar may have; None: any.

        Outside of the last bar, and where none would be left, `allowed`.
        """
        if bar != self.bar or self.bass is None or self.chord is None:
            return allowed
        mine = self._in_chord if allowed is None else self._in_chord & allowed
        return mine if mine.any() else allowed

    @cached_property
    def _in_chord(self) -> NDArray[np.bool_]:
        """(W,) of frames: the pitches of the chord."""
        assert self._pitches is not None
        return np.array([self._fits(int(pitch)) for pitch in self._pitches.values])

    def leave_out(self) -> None:
        """Leave the bass and the chord free, since nothing may follow with them."""
        self._left_out, self.bass = self.bass or (), None

    def is_missed(self, sequence: NDArray[Any]) -> bool:
        """Whether a bass was left out, and a complete piece ends without it."""
        if not self._left_out:
            return False
        music = self._tokenizer.decode(sequence)
        assert isinstance(music, ScoreTick)
        count = len(self._tokenizer.bar_starts(sequence))
        return last_bass(Bars.of(music, count).pitched) not in self._left_out

    def _fits(self, pitch: int) -> bool:
        return self.chord is None or pitch % 12 in self.chord

    def _can_write(self, bar: int, pitches: Collection[int]) -> bool:
        """Whether the limits of a bar leave one of these pitches."""
        assert self._pitches is not None
        values = enumerate(self._pitches.values)
        mine = [index for index, value in values if int(value) in pitches]
        states = self._pitches.states[:, mine].any(axis=1)
        allowed = self._plan.allowed(bar)
        return bool((states if allowed is None else states & allowed).any())


def final_key(bars: Bars, sharps: int = 0, bass: int | None = None) -> int | None:
    """The key in which music ends, by its bars without the last; None without pitches.

    The key whose profile fits best (Krumhansl 1990), with more weight on how the music begins and
    ends: of 906 pieces 79 % end on its tonic, 69 % on that of the key that fits the whole best.
    Keys of the signature with so many `sharps` are preferred, but for 0, which often means nothing,
    and most of all a key of which the pitch `bass` is the tonic.
    """
    classes = bars.classes()
    if not classes.any():
        return None
    parts = ((1.0, classes), (0.5, classes[:4]), (1.0, classes[-8:]), (0.4, classes[-2:]))
    fits = sum(weight * key_fits(part.sum(axis=0, keepdims=True))[0] for weight, part in parts)
    likely = np.argsort(-np.asarray(fits), kind="stable")[:_LIKELY].tolist()
    wanted = [key for key in likely if bass is not None and key % 12 == bass % 12]
    wanted += [key for key in likely if sharps and key in keys_of_signature(sharps)]
    return int([*wanted, *likely][0])


def key_of_given(score: ScoreTick, whole: bool) -> str:
    """The key in which music ends that was given; a `whole` piece ends on its tonic. "": none."""
    found = Bars.of(score, len(lines(score)) - 1)
    signs = [sign.key for sign in score.key_signatures]
    key = final_key(found, signs[-1] if signs else 0, last_bass(found.pitched) if whole else None)
    return "" if key is None else KEYS[key]


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
