"""The notes of the bar that a parser is in."""

from __future__ import annotations

from math import inf
from typing import NamedTuple


class BarNotes(NamedTuple):
    """Notes that begin or sound in a bar; ticks count from the beginning of the piece."""

    begun: int = 0  # notes that begin in it, drums included
    pitched: tuple[tuple[int, int, int], ...] = ()  # start, end and MIDI pitch; starts ascend

    def with_note(self, tick: int, pitch: int | None) -> BarNotes:
        """With a note that begins; None is a drum. It ends where it begins for now."""
        added = () if pitch is None else ((tick, tick, pitch),)
        return BarNotes(self.begun + 1, self.pitched + added)

    def with_end(self, end: int) -> BarNotes:
        """With the end of the last pitched note, if there is one."""
        if not self.pitched:
            return self
        start, _, pitch = self.pitched[-1]
        return BarNotes(self.begun, (*self.pitched[:-1], (start, end, pitch)))

    def after(self, line: int) -> BarNotes:
        """Those of the bar that begins at `line`."""
        return BarNotes(0, tuple(note for note in self.pitched if note[1] > line))

    def sounding(self, tick: int) -> list[int]:
        """The pitches that sound at `tick`."""
        return [pitch for start, end, pitch in self.pitched if end > tick or start == tick]

    def bass_end(self, line: int, tick: int) -> float:
        """The tick at which the lowest note that sounds at `tick` ends.

        Infinite where its duration follows, where it began before `line`, or where there is none.
        """
        sounding = (each for each in self.pitched if each[1] > tick or each[0] == tick)
        lowest = min(sounding, key=lambda note: (note[2], -note[0]), default=(line, line, 0))
        start, end, _ = lowest
        return inf if start < line or end == start else end

    def held(self, line: int) -> int:
        """How many sound past `line`."""
        return len([end for _, end, _ in self.pitched if end > line])

    def voices(self, start: int, stop: int) -> float:
        """The mean number of notes that sound from `start` to `stop`, while any does."""
        total, covered, reached = 0, 0, start
        for begin, end, _ in self.pitched:
            begin, end = max(begin, start), min(end, stop)
            total += max(end - begin, 0)
            covered += max(end - max(begin, reached), 0)
            reached = max(reached, end)
        return total / covered if covered else 0.0
