"""The events of a MIDI file as arrays, found by our own walk over its bytes.

No library parses the bytes before or after: what is wrong with them is found here. The walk is
sequential by nature, since each event says where the next one begins. So numpy first computes, for
every byte of the file at once, how far an event that began there would reach, and a short loop then
jumps from event to event.

Source of the format: the MIDI Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError
from musictk.ingest.smf import Layout, read_layout

SLACK = 16  # bytes that may be missing at the end of a track before it counts as truncated

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_END_OF_TRACK = 0x2F
_LONGEST = 4 + 1 + 2  # bytes of a channel message: delta time, status, data
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which have no place here
_DOUBLINGS = 4  # a jump is sixteen events
# What an event begins with: a data byte (running status), a status with 1 or 2 data bytes, or
# something that is no channel message.
_DATA, _OTHER = 0, 3
_KIND = np.zeros(256, np.uint8)
_KIND[0x80:0xF0] = 2
_KIND[0xC0:0xE0] = 1
_KIND[0xF0:] = _OTHER
# Bytes of a message of two data bytes, its delta time included, by bytes of that × 4 + what it
# begins with; 0 for anything else.
_SIZE = np.array(
    [
        after + {_DATA: 2, 2: 3}[own] if after < 5 and own in (_DATA, 2) else 0
        for after in range(6)
        for own in range(4)
    ],
    np.uint8,
)


class Special(NamedTuple):
    """A meta event (status 0xFF) or a system exclusive message (0xF0, 0xF7)."""

    order: int  # position among all events of the file
    track: int
    tick: int
    status: int
    kind: int  # of a meta event: its type; else -1
    data: bytes  # without the length


@dataclass(frozen=True)
class Events:
    """All events of a file, in the order of its bytes. `order` counts channel messages and specials
    together, so that both can be merged again."""

    layout: Layout
    order: Ints  # (N,) of each channel message
    track: Ints  # (N,) index of its track
    tick: Ints  # (N,) ticks since the beginning of its track
    status: Bytes  # (N,) 0x80 to 0xEF, running status resolved
    first: Bytes  # (N,) first data byte
    second: Bytes  # (N,) second data byte; 0 where the message has one
    specials: tuple[Special, ...]
    ends: Ints  # (tracks,) the tick at which each track ends
    notes: list[str] = field(default_factory=list)  # what had to be overlooked

    def raw(self, track: int) -> list[tuple[int, bytes]]:
        """The events of one track in order as (tick, bytes with status), without end of track."""
        rows: list[tuple[int, int, bytes]] = []
        for index in np.flatnonzero(self.track == track).tolist():
            status = int(self.status[index])
            data = (self.first[index], self.second[index])[: _KIND[status]]
            message = bytes((status, *(int(byte) for byte in data)))
            rows.append((int(self.order[index]), int(self.tick[index]), message))
        for special in self.specials:
            if special.track == track and special.kind != _END_OF_TRACK:
                head = (special.status,) if special.kind < 0 else (special.status, special.kind)
                message = bytes(head) + variable_length(len(special.data)) + special.data
                rows.append((special.order, special.tick, message))
        return [(tick, message) for _, tick, message in sorted(rows)]


def read_events(data: bytes, limits: Limits) -> Events:
    """The events of a file, checked. Raises RejectedError for a file that is not accepted."""
    if len(data) > limits.size:
        raise RejectedError(Reason.TOO_LARGE, f"{len(data)} bytes")
    layout = read_layout(data, limits)
    walk = _Walk(data, layout, limits)
    for track, (start, stop, missing) in enumerate(layout.tracks):
        walk.track(track, start, stop, missing)
    return walk.events()


def variable_length(value: int) -> bytes:
    """A number as MIDI files write it: seven bits a byte, the highest first."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


class _Walk:
    """One pass over the tracks of a file."""

    def __init__(self, data: bytes, layout: Layout, limits: Limits) -> None:
        self._data, self._layout, self._limits = data, layout, limits
        self._tables = _Tables(data)
        self._anchors: list[int] = []  # messages of two data bytes: every sixteenth or nearer
        self._singles: list[int] = []  # messages of one, and the last of a track without an end
        # Of each special, and of the beginning of each track (status 0): where its delta time
        # begins, that time, and what it is.
        self._places: list[int] = []
        self._deltas: list[int] = []
        self._found: list[tuple[int, int, int, bytes]] = []  # track, status, kind, data
        self._oddities: list[str] = list(layout.notes)

    def track(self, index: int, start: int, stop: int, missing: int) -> None:
        """Read the events of one track, as far as they can be read."""
        fault: RejectedError | None = None
        self._take(start, 0, (index, 0, -1, b""))
        try:
            ended = self._walk(index, start, stop)
        except RejectedError as error:
            fault, ended = error, False
        if fault is not None or not ended:
            self._forgive(fault, missing)

    def _walk(self, index: int, start: int, stop: int) -> bool:
        """Whether the track was ended by its end-of-track event. Raises RejectedError."""
        place, running, after_special = start, 0, False
        own = self._tables.own
        while place < stop:
            kind = own[place]
            if kind == _OTHER or not (kind or running):
                place, ended = self._special(index, place, stop)
                if ended:
                    return True
                after_special = True
                continue
            if after_special and kind == _DATA:
                self._note("running status after a system exclusive or meta event")
            after_special = False
            running = kind or running
            place = self._short(place, kind) if running == 1 else self._jump(place, stop)
        if place > stop:
            self._singles.pop()  # it is cut off, and not taken
            raise _cut(place - stop)
        return False

    def _short(self, place: int, kind: int) -> int:
        """Take one message of a single data byte, which are few: where the next event begins."""
        self._singles.append(place)
        self._bound(len(self._singles))
        return place + self._tables.after(place) + 1 + (kind > 0)

    def _jump(self, place: int, stop: int) -> int:
        """Walk over messages of two data bytes: where something else begins, or past `stop`."""
        jump, step, anchors = self._tables.jump, self._tables.step, self._anchors
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
        """Take the event at `place`, which is no channel message: where the next one begins, and
        whether it ends the track."""
        data, begin = self._data, place
        delta, place = self._number(place, stop)
        if place >= stop:
            raise _cut(1)
        status = data[place]
        if status < 0x80:
            raise RejectedError(Reason.CORRUPT, f"running status from nothing at byte {place}")
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
            self._note(f"system message {status:02x}")
            place = min(stop, place + _SYSTEM.get(status, 0))
        self._take(begin, delta, (index, status, kind, content))
        return place, kind == _END_OF_TRACK

    def _take(self, place: int, delta: int, found: tuple[int, int, int, bytes]) -> None:
        self._places.append(place)
        self._deltas.append(delta)
        self._found.append(found)
        self._bound(len(self._found))

    def _bound(self, events: int) -> None:
        """Stop as soon as there are too many, before memory is filled with them."""
        if events > self._limits.events:
            raise RejectedError(Reason.TOO_MANY_EVENTS, f"more than {self._limits.events}")

    def _number(self, place: int, stop: int) -> tuple[int, int]:
        """The variable-length number at `place`, and where it ends."""
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
        """Overlook that a track lacks its last few bytes; raise what is wrong with any other."""
        if fault is not None and fault.reason is not Reason.TRUNCATED:
            raise fault
        missing = max(missing, fault.missing if fault else 0)
        if missing > SLACK:
            raise RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early")
        if missing:
            self._note(f"ends {missing} bytes too early")

    def _note(self, text: str) -> None:
        if text not in self._oddities:
            self._oddities.append(text)

    def events(self) -> Events:
        """Everything that was read, in arrays."""
        tables, limits = self._tables, self._limits
        starts = self._starts()
        self._bound(len(starts) + len(self._found))
        status, first, second = tables.contents(starts)
        # The messages between one special and the next have one track and one offset in time.
        before = np.searchsorted(starts, self._places)
        between = np.diff(before, append=len(starts))
        owner = np.array([found[0] for found in self._found], np.int64)
        opens = np.flatnonzero([found[1] == 0 for found in self._found])
        tick = tables.deltas(starts).cumsum()
        since = np.cumsum(self._deltas)  # all specials up to each, as ticks
        passed = np.append(0, tick)[before] + since  # ticks of the whole file
        total = (int(tick[-1]) if len(tick) else 0) + (int(since[-1]) if len(since) else 0)
        ends = np.diff(passed[opens], append=total)
        if len(ends) and ends.max() > limits.ticks:
            raise RejectedError(Reason.TOO_LONG, f"{ends.max()} ticks")
        began = passed[opens][owner]
        tick += np.repeat(since - began, between)
        order = np.arange(len(starts)) + np.repeat(np.arange(1, len(owner) + 1), between)
        rows = zip(
            range(len(owner)), before.tolist(), (passed - began).tolist(), self._found, strict=True
        )
        specials = tuple(
            Special(index + count, track, when, status, kind, data)
            for index, count, when, (track, status, kind, data) in rows
            if status in (0xF0, 0xF7, 0xFF)
        )
        track = np.repeat(owner, between)
        return Events(
            self._layout, order, track, tick, status, first, second, specials, ends, self._oddities
        )

    def _starts(self) -> Ints:
        """Where each channel message begins, ascending."""
        starts = self._tables.between(self._anchors)
        return np.sort(np.append(starts, self._singles)) if self._singles else starts


class _Tables:
    """What an event would be whose delta time began at each byte of the file."""

    def __init__(self, data: bytes) -> None:
        self._bytes = np.frombuffer(data + bytes(_LONGEST + 1), np.uint8)
        count = len(data) + 2
        high = self._bytes >= 0x80
        after = np.ones(count, np.uint8)  # bytes of the delta time; 5: it has no end
        status = self._bytes[1 : count + 1].copy()
        run = high[:count].copy()
        for back in range(1, 5):
            after += run
            if back < 4:
                np.copyto(status, self._bytes[back + 1 : count + back + 1], where=run)
                run &= high[back : count + back]
        own = _KIND.take(status)
        own[after > 4] = _OTHER
        self._after = after
        self.own = own.tobytes()
        # Where the next event begins; the same place where here is no message of two data bytes.
        step = np.arange(count)
        step += _SIZE.take(after << 2 | own)
        np.minimum(step, count - 1, out=step)
        self._step, jump = step, step
        for _ in range(_DOUBLINGS):
            jump = jump.take(jump)
        self.step, self.jump = step.data, jump.data

    def between(self, anchors: list[int]) -> Ints:
        """Every message from each anchor up to a whole jump on, ascending."""
        rows = np.empty((1 << _DOUBLINGS, len(anchors)), np.int64)
        rows[0] = anchors
        for column in range(1, len(rows)):
            self._step.take(rows[column - 1], out=rows[column], mode="clip")
        flat = rows.T.ravel()
        return flat[self._step.take(flat) != flat]

    def after(self, place: int) -> int:
        """How many bytes the delta time at `place` has."""
        return int(self._after[place])

    def contents(self, starts: Ints) -> tuple[Bytes, Bytes, Bytes]:
        """(N,) statuses and both data bytes of messages. Raises RejectedError for a wrong byte."""
        at = starts + self._after.take(starts)
        status = self._bytes.take(at)
        own = status >= 0x80
        if not own.all():
            # A track's first message has a status of its own: none is taken from another track.
            status = status.take(np.maximum.accumulate(np.where(own, np.arange(len(at)), 0)))
        at += own
        first, second = self._bytes.take(at), self._bytes.take(at + 1)
        second *= _KIND.take(status) == 2
        wrong = np.flatnonzero((first | second) > 0x7F)
        if len(wrong):
            place = at[wrong[0]] + int(first[wrong[0]] < 0x80)
            raise RejectedError(Reason.CORRUPT, f"data byte over 127 at byte {place}")
        return status, first, second

    def deltas(self, starts: Ints) -> Ints:
        """The (N,) delta times at `starts`."""
        after = self._after.take(starts)
        value = (self._bytes.take(starts) & 0x7F).astype(np.int64)
        for index in range(1, int(after.max(initial=1))):
            longer = np.flatnonzero(after > index)
            low = self._bytes.take(starts.take(longer) + index) & 0x7F
            value[longer] = value.take(longer) << 7 | low
        return value


def _cut(missing: int) -> RejectedError:
    return RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early", missing)
