"""The meaning of each id, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import METRE, PITCH, PROGRAM, TEMPO, Attribute, Tokens
from musictk.tokens.attributes import MIDI_PITCHES
from musictk.tokens.metrics import Metrics
from musictk_remi.config import SPECIALS, RemiConfig, token_names

PITCHES = frozenset({"Pitch", "PitchDrum", "PitchIntervalTime", "PitchIntervalChord"})


@dataclass(frozen=True)
class Vocabulary:
    """The base vocabulary of a config: ids without what BPE learns."""

    config: RemiConfig
    names: list[str] = field(init=False)  # by id, such as "Pitch_60"
    kinds: list[str] = field(init=False)  # "Pitch"
    values: list[str] = field(init=False)  # "60"

    def __post_init__(self) -> None:
        names = token_names(self.config)
        split = [name.split("_", 1) for name in names]
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "kinds", [kind for kind, _ in split])
        object.__setattr__(self, "values", [value for _, value in split])

    @property
    def space(self) -> Tokens:
        """The base ids, with the special ones where the vocabulary has them."""
        return Tokens(len(self.names), *(self.names.index(name) for name in SPECIALS))

    @cached_property
    def first(self) -> dict[str, int]:
        """The lowest id of each kind; ids of one kind are consecutive."""
        return {kind: index for index, kind in reversed(list(enumerate(self.kinds)))}

    def span(self, kind: str) -> slice:
        """The ids of one kind; empty where the vocabulary has none."""
        if kind not in self._spans:
            start = self.first.get(kind, 0)
            self._spans[kind] = slice(start, start + self.kinds.count(kind))
        return self._spans[kind]

    @property
    def bar(self) -> int:
        return self.first["Bar"]

    @cached_property
    def bars(self) -> list[int]:
        """Every id that begins a bar: MidiTok can number bars, and mark their ends."""
        return [
            self.bar + index
            for index, name in enumerate(self.names[self.span("Bar")])
            if name != "Bar_End"
        ]

    @cached_property
    def pitches(self) -> list[int]:
        """Every id that begins a note."""
        return [index for index, kind in enumerate(self.kinds) if kind in PITCHES]

    def attributes(self) -> dict[str, Attribute]:
        """The attributes of base tokens; without pitch if notes are written as intervals."""
        pitches = self.span("Pitch")
        found = {
            name: self._each(kind)
            for name, kind in ((METRE, "TimeSig"), (TEMPO, "Tempo"))
            if kind in self.first
        }
        if self.config.programs:
            programs = self._each("Program")
            names = tuple("drums" if each == "-1" else each for each in programs.values)
            found[PROGRAM] = Attribute(names, programs.states)
        if not {"PitchIntervalTime", "PitchIntervalChord"} & set(self.kinds):
            sounds = np.zeros((len(self.names), 128), bool)
            sounds[range(pitches.start, pitches.stop), list(map(int, self.values[pitches]))] = True
            found[PITCH] = Attribute(MIDI_PITCHES, sounds)
        return found

    def _each(self, kind: str) -> Attribute:
        """An attribute of which each token of a kind has a value of its own."""
        span = self.span(kind)
        states = np.zeros((len(self.names), span.stop - span.start), bool)
        states[span] = np.eye(states.shape[1], dtype=bool)
        return Attribute(tuple(self.values[span]), states)

    @cached_property
    def ticks_per_quarter(self) -> int:
        """The resolution of decoded music: the finest position of the shortest beat is one tick."""
        shortest = max(denominator for _, denominator in self.config.known_metres)
        return self.config.positions_per_beat * shortest // 4

    def ticks_per_beat(self, denominator: int) -> int:
        """Of a beat of 1/denominator, at the resolution of decoded music."""
        return self.ticks_per_quarter * 4 // denominator

    def ticks(self, kind: str, denominator: int) -> NDArray[np.int64]:
        """The lengths in ticks of all `Duration` or `Rest` ids, ascending as their ids."""
        if (kind, denominator) not in self._ticks:
            self._ticks[kind, denominator] = self._lengths(kind, self.ticks_per_beat(denominator))
        return self._ticks[kind, denominator]

    @cached_property
    def metrics(self) -> Metrics:
        """The metres at the resolution of decoded music, with the positions of each."""
        known = self.config.known_metres
        beats = (self.ticks_per_beat(under) for _, under in known)
        steps = tuple(beat // self.config.positions_per_beat for beat in beats)
        return Metrics(known, self.ticks_per_quarter, steps)

    @cached_property
    def denominators(self) -> NDArray[np.int64]:
        """Of each metre, by its index."""
        return np.array([under for _, under in self.config.known_metres], np.int64)

    @cached_property
    def sounding(self) -> NDArray[np.int64]:
        """(metres, durations) ticks."""
        return np.stack([self.ticks("Duration", under) for under in self.denominators.tolist()])

    @cached_property
    def resting(self) -> NDArray[np.int64]:
        """(metres, rests) ticks."""
        return np.stack([self.ticks("Rest", under) for under in self.denominators.tolist()])

    @cached_property
    def shortest_rest(self) -> int:
        """In any metre, in ticks."""
        return int(self.resting[:, 0].min())

    @cached_property
    def longest_rest(self) -> NDArray[np.int64]:
        """(metres, ticks of silence) the longest rest that fits, by index; -1 for none."""
        silences = np.arange(int(self.metrics.lengths.max()) + 1)
        return np.stack([np.searchsorted(row, silences, "right") - 1 for row in self.resting])

    @cached_property
    def level_of(self) -> NDArray[np.int64]:
        """(128,) the index of the nearest velocity to each of MIDI; halfway is the higher."""
        levels = self.levels
        return np.searchsorted(levels[:-1] + levels[1:], 2 * np.arange(128), "right")

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """The velocities of the vocabulary, ascending as their ids."""
        return np.array(self.config.velocities, np.int64)

    @cached_property
    def tempos(self) -> NDArray[np.float64]:
        """The tempos of the vocabulary in quarter notes a minute, ascending as their ids."""
        return np.array(self.config.tempo_values)

    @cached_property
    def micros(self) -> NDArray[np.float64]:
        """Microseconds of a quarter note at each tempo, ascending: from the fastest on."""
        return 60e6 / self.tempos[::-1]

    @cached_property
    def default_tempo(self) -> int:
        """The tempo nearest to 120, by index."""
        return int(np.argmin(np.abs(self.tempos - 120)))

    @cached_property
    def _spans(self) -> dict[str, slice]:
        return {}

    @cached_property
    def _ticks(self) -> dict[tuple[str, int], NDArray[np.int64]]:
        return {}

    def _lengths(self, kind: str, per_beat: int) -> NDArray[np.int64]:
        parts = [tuple(map(int, value.split("."))) for value in self.values[self.span(kind)]]
        return np.array([(beat * res + at) * per_beat // res for beat, at, res in parts], np.int64)
