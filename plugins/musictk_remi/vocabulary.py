"""What each id means, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musictk_remi.config import RemiConfig, token_names

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

    @cached_property
    def first(self) -> dict[str, int]:
        """The lowest id of each kind; ids of one kind are consecutive."""
        return {kind: index for index, kind in reversed(list(enumerate(self.kinds)))}

    def span(self, kind: str) -> slice:
        """The ids of one kind; empty where the vocabulary has none."""
        start = self.first.get(kind, 0)
        return slice(start, start + self.kinds.count(kind))

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

    @cached_property
    def ticks_per_quarter(self) -> int:
        """The resolution of decoded music: the finest position of the shortest beat is one tick."""
        shortest = max(denominator for _, denominator in self.config.known_metres)
        return self.config.positions_per_beat * shortest // 4

    def ticks_per_beat(self, denominator: int, ticks_per_quarter: int = 0) -> int:
        """Of a beat of 1/denominator, at the resolution given or that of decoded music."""
        return (ticks_per_quarter or self.ticks_per_quarter) * 4 // denominator

    def ticks(self, kind: str, per_beat: int) -> NDArray[np.int64]:
        """The lengths of all `Duration` or `Rest` ids in ticks, ascending as their ids."""
        if (kind, per_beat) not in self._ticks:
            self._ticks[kind, per_beat] = self._lengths(kind, per_beat)
        return self._ticks[kind, per_beat]

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """The velocities of the vocabulary, ascending as their ids."""
        return np.array(self.config.velocities, np.int64)

    @cached_property
    def tempos(self) -> NDArray[np.float64]:
        """The tempos of the vocabulary in quarter notes a minute, ascending as their ids."""
        return np.array(self.config.tempo_values)

    @cached_property
    def _ticks(self) -> dict[tuple[str, int], NDArray[np.int64]]:
        return {}

    def _lengths(self, kind: str, per_beat: int) -> NDArray[np.int64]:
        parts = [tuple(map(int, value.split("."))) for value in self.values[self.span(kind)]]
        return np.array([(beat * res + at) * per_beat // res for beat, at, res in parts], np.int64)
