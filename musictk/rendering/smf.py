"""Standard MIDI Files as lists of raw events: read without loss, written without loss.

Music as a Score has no channels, no order within a tick and no system exclusive messages. Where a
user's file has to come back as it was, its events are kept as bytes. Source of the format: the MIDI
Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

Event = tuple[int, bytes]  # its tick, and the message with its status byte

END_OF_TRACK = b"\xff\x2f\x00"
_DATA = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which have no place here
_MOST = 0x0FFFFFFF  # ticks that one delta time can hold


@dataclass(frozen=True)
class File:
    """A MIDI file. The events of a track are in order of time, without its end-of-track event."""

    format: int
    division: int  # ticks per quarter note, or SMPTE frames and their parts
    tracks: tuple[tuple[Event, ...], ...]
    ends: tuple[int, ...]  # the tick of each track's end


def meta(kind: int, data: bytes) -> bytes:
    """A meta event."""
    return bytes((0xFF, kind)) + variable_length(len(data)) + data


def text(kind: int, words: str) -> bytes:
    """A meta event that holds text, such as a marker (6) or the name of a track (3)."""
    return meta(kind, words.encode("utf-8", "replace"))


def read(data: bytes) -> File:
    """The events of a file that the reader of `ingest` has accepted.

    What cannot be read ends its track there: nothing is guessed.
    """
    start = max(data.find(b"MThd"), 0)
    size, kind, _, division = struct.unpack_from(">IHHH", data, start + 4)
    place = start + 8 + size
    tracks: list[tuple[Event, ...]] = []
    ends: list[int] = []
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
        if name == b"MTrk":
            events, end = _events(data[place + 8 : place + 8 + length])
            tracks.append(tuple(events))
            ends.append(end)
        place += 8 + length
    return File(min(kind, 2), division, tuple(tracks), tuple(ends))


def dump(file: File) -> bytes:
    """The file as bytes. Events of one tick stay in the order they are given in."""
    head = struct.pack(">4sIHHH", b"MThd", 6, file.format, len(file.tracks), file.division)
    pairs = zip(file.tracks, file.ends, strict=True)
    return head + b"".join(_chunk(events, end) for events, end in pairs)


def variable_length(value: int) -> bytes:
    """A number as MIDI files write it: seven bits a byte, the highest first."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def _chunk(events: Iterable[Event], end: int) -> bytes:
    parts: list[bytes] = []
    now = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        parts += [variable_length(min(tick - now, _MOST)), message]
        now = tick
    parts += [variable_length(min(max(end - now, 0), _MOST)), END_OF_TRACK]
    body = b"".join(parts)
    return b"MTrk" + len(body).to_bytes(4) + body


def _events(body: bytes) -> tuple[list[Event], int]:
    """The events of one track, and the tick at which it ends."""
    events: list[Event] = []
    tick = place = running = 0
    try:
        while place < len(body):
            delta, place = _number(body, place)
            status = body[place]
            if status >= 0x80:
                place += 1
                running = status if status < 0xF0 else running
            else:
                status = running
            stop = _stop(body, place, status)
            if stop > len(body):
                break
            tick += delta
            message = bytes((status,)) + body[place:stop]
            place = stop
            if message[:2] == END_OF_TRACK[:2]:
                break
            if status < 0xF0 or status in (0xF0, 0xF7, 0xFF):
                events.append((tick, message))
    except IndexError:  # the track was cut off
        pass
    return events, tick


def _stop(body: bytes, place: int, status: int) -> int:
    """Where the message ends whose data begin at `place`."""
    if status < 0x80:
        raise IndexError("a data byte before any status")
    if status < 0xF0:
        return place + _DATA[status >> 4]
    if status not in (0xF0, 0xF7, 0xFF):
        return place + _SYSTEM.get(status, 0)
    length, start = _number(body, place + (status == 0xFF))
    return start + length


def _number(body: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index in range(place, place + 4):
        value = value << 7 | body[index] & 0x7F
        if body[index] < 0x80:
            return value, index + 1
    raise IndexError("a number without an end")
