"""One pass over the events of each track: find where they begin, and parse the irregular ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musictk.reading import meta
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.tables import DATA, OTHER, TEMPO, Bytes, EventTables, Ints

SLACK = 16  # bytes that may be missing at the end of a track before it counts as truncated
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which are invalid in files
_AFTER_SPECIAL = "running status after a system exclusive or meta event"


class FoundEvent(NamedTuple):
    """The beginning of a track (status 0), or an event that is not a channel message."""

    track: int
    status: int
    kind: int  # of a meta event: its type; else -1
    data: bytes


class Walk:
    """Walks from event to event; skips runs of events of known length in jumps of sixteen."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data, self._limits = data, limits
        self.tables = EventTables(data)
        self._anchors: list[int] = []  # the event at the beginning of each jump
        self._singles: list[int] = []  # events of known length visited one by one
        self.places: list[int] = []  # of each one in `found`: where its delta time begins
        self.deltas: list[int] = []  # and that delta time, in ticks
        self.found: list[FoundEvent] = []
        self.repairs: list[str] = []  # descriptions of tolerated errors

    def track(self, index: int, start: int, stop: int, missing: int) -> None:
        """Read the events of one track. Raises RejectedError."""
        fault: RejectedError | None = None
        self._take(start, 0, FoundEvent(index, 0, -1, b""))
        try:
            ended = self._walk(index, start, stop)
        except RejectedError as error:
            fault, ended = error, False
        if fault is not None or not ended:
            self._forgive(fault, missing)

    def starts(self) -> Ints:
        """The offset of each event of known length that was visited or skipped, ascending."""
        starts = self.tables.between(self._anchors)
        if self._singles:
            starts = np.sort(np.append(starts, self._singles), kind="stable")
        self.bound(len(starts) + len(self.found))
        return starts

    def repair(self, text: str) -> None:
        """Record a tolerated error, once."""
        if text not in self.repairs:
            self.repairs.append(text)

    def bound(self, events: int) -> None:
        """Raise RejectedError as soon as there are too many events, to bound memory."""
        if events > self._limits.events:
            raise RejectedError(Reason.TOO_MANY_EVENTS, f"more than {self._limits.events}")

    def check_running_status(self, kinds: Bytes) -> None:
        """Record a repair if running status follows a tempo; `kinds` are those of `starts`."""
        if ((kinds[1:] == DATA) & (kinds[:-1] == TEMPO)).any():
            self.repair(_AFTER_SPECIAL)

    def _walk(self, index: int, start: int, stop: int) -> bool:
        """Whether the track has an end-of-track event. Raises RejectedError."""
        place, running, after_special = start, 0, False
        own = self.tables.own
        while place < stop:
            kind = own[place]
            if kind == TEMPO:
                place = self._jump(place, stop) if running == 2 else self._tempos(place, stop)
                after_special = True
                continue
            if kind == OTHER or not (kind or running):
                place, ended = self._special(index, place, stop)
                if ended:
                    return True
                after_special = True
                continue
            if after_special and kind == DATA:
                self.repair(_AFTER_SPECIAL)
            after_special = False
            running = kind or running
            place = self._short(place, kind) if running == 1 else self._jump(place, stop)
        if place > stop:
            self._singles.pop()  # it is truncated
            raise _cut(place - stop)
        return False

    def _short(self, place: int, kind: int) -> int:
        """Visit a message with one data byte, which are few; return the next offset."""
        self._singles.append(place)
        self.bound(len(self._singles))
        return place + self.tables.after(place) + 1 + (kind > 0)

    def _tempos(self, place: int, stop: int) -> int:
        """Visit tempos; return the offset of the next other event, or one past `stop`."""
        own, step = self.tables.own, self.tables.step
        while place < stop and own[place] == TEMPO:
            self._singles.append(place)
            place = step[place]
        self.bound(len(self._singles))
        return place

    def _jump(self, place: int, stop: int) -> int:
        """Skip events of known length; return the offset of the next other event or past `stop`."""
        jump, step, anchors = self.tables.jump, self.tables.step, self._anchors
        while place < stop and (following := jump[place]) != place:
            if following > stop:
                break
            anchors.append(place)
            place = following
        else:
            return place
        while place < stop and (following := step[place]) != place:  # one by one to the end
            self._singles.append(place)
            place = following
        return place

    def _special(self, index: int, place: int, stop: int) -> tuple[int, bool]:
        """Parse the event at `place`, which is not a channel message; return the offset of the next
        one, and whether it ends the track."""
        data, begin = self._data, place
        delta, place = self._number(place, stop)
        if place >= stop:
            raise _cut(1)
        status = data[place]
        if status < 0x80:
            raise RejectedError(Reason.CORRUPT, f"running status without a status at byte {place}")
        place += 1
        kind, content = -1, b""
        if status in (0xF0, 0xF7, 0xFF):
            if status == 0xFF:
                if place >= stop:
                    raise _cut(1)
                kind = data[place]
                place += 1
            length, place = self._number(place, stop)
            if place + length > stop:
                raise _cut(place + length - stop)
            content = data[place : place + length]
            place += length
        else:
            self.repair(f"system message {status:02x}")
            place = min(stop, place + _SYSTEM.get(status, 0))
        self._take(begin, delta, FoundEvent(index, status, kind, content))
        return place, kind == meta.END_OF_TRACK

    def _take(self, place: int, delta: int, found: FoundEvent) -> None:
        self.places.append(place)
        self.deltas.append(delta)
        self.found.append(found)
        self.bound(len(self.found))

    def _number(self, place: int, stop: int) -> tuple[int, int]:
        """The variable-length number at `place`, and the offset after it."""
        if place < stop and (value := self._data[place]) < 0x80:
            return value, place + 1
        value = 0
        for index in range(place, min(place + 4, stop)):
            byte = self._data[index]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, index + 1
        if place + 4 >= stop:
            raise _cut(1)
        raise RejectedError(Reason.CORRUPT, f"a number without an end at byte {place}")

    def _forgive(self, fault: RejectedError | None, missing: int) -> None:
        """Tolerate a track that lacks its last few bytes; raise any other error."""
        if fault is not None and fault.reason is not Reason.TRUNCATED:
            raise fault
        missing = max(missing, fault.missing if fault else 0)
        if missing > SLACK:
            raise RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early")
        if missing:
            self.repair(f"ends {missing} bytes too early")


def _cut(missing: int) -> RejectedError:
    return RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early", missing)
