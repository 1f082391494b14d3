"""The notes of the bar that a parser is in."""

from __future__ import annotations

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

    def sounding(self, tick: int) -> list[tuple[int, int, int]]:
        """Those that sound at `tick`."""
        return [note for note in self.pitched if note[1] > tick or note[0] == tick]

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
