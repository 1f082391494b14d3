"""Standard MIDI Files as bytes: checked before any library sees them, and repaired in memory.

Source of the format: the MIDI Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError

_SEARCH = 4096  # bytes in which a header may be found behind something else
_HEADER = struct.Struct(">HHH")


@dataclass
class Layout:
    """Where things are in a file, and what had to be overlooked to find them."""

    format: int
    division: int
    tracks: list[tuple[int, int, int]]  # of each: its events' [start, stop), and bytes it lacks
    notes: list[str] = field(default_factory=list)  # what is odd; empty for a sound file


def find_header(data: bytes) -> int:
    """Where the MThd chunk begins: behind a byte order mark, a RIFF wrapper, a transfer header.

    Raises RejectedError where there is none.
    """
    if not data:
        raise RejectedError(Reason.EMPTY, "no bytes")
    if data.startswith(b"SMF2CLIP"):
        raise RejectedError(Reason.MIDI2, "a MIDI 2.0 clip file")
    start = data.find(b"MThd", 0, _SEARCH)
    if start < 0:
        raise RejectedError(Reason.NOT_MIDI, f"begins with {data[:8].hex(' ')}")
    return start


def read_layout(data: bytes, limits: Limits) -> Layout:
    """Header and chunks of a file. Raises RejectedError for what cannot be read at all."""
    start = find_header(data)
    notes = [f"{start} bytes before the header"] if start else []
    if len(data) < start + 14:
        raise RejectedError(Reason.BAD_HEADER, f"{len(data) - start} bytes are no header")
    length = int.from_bytes(data[start + 4 : start + 8])
    if length < 6:
        raise RejectedError(Reason.BAD_HEADER, f"header of {length} bytes")
    kind, declared, division = _HEADER.unpack_from(data, start + 8)
    if division == 0 or (division & 0x8000 and division & 0xFF == 0):
        raise RejectedError(Reason.BAD_DIVISION, f"division {division}")
    if length > 6:
        notes.append(f"header of {length} bytes")
    if kind > 2:
        notes.append(f"format {kind} read as 1")
    if division & 0x8000:
        notes.append("SMPTE division")
    layout = Layout(kind, division, [], notes)
    _read_chunks(data, start + 8 + (length if start + 8 + length <= len(data) else 6), layout)
    if len(layout.tracks) > limits.tracks:
        raise RejectedError(Reason.TOO_MANY_TRACKS, f"{len(layout.tracks)} > {limits.tracks}")
    if not layout.tracks:
        reason = Reason.TRUNCATED if declared else Reason.NO_NOTES
        raise RejectedError(reason, f"no track of {declared} declared")
    return layout


def _read_chunks(data: bytes, place: int, layout: Layout) -> None:
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
        stop, missing = place + 8 + length, 0
        if name == b"MTrk" and (stop > len(data) or _cuts_a_chunk(data, stop)):
            # The length lies: the track goes on to where the next one begins.
            found = data.find(b"MTrk", place + 8)
            missing = 0 if found >= 0 else stop - len(data)
            stop = found if found >= 0 else len(data)
            layout.notes.append(f"track length {length} is wrong")
        elif stop > len(data):
            found = data.find(b"MTrk", place + 8)
            if found < 0:
                return  # padding or rubbish behind the last track
            layout.notes.append(f"chunk length {length} is wrong")
            stop = found
        if name == b"MTrk":
            layout.tracks.append((place + 8, stop, missing))
        place = stop


def _cuts_a_chunk(data: bytes, stop: int) -> bool:
    """Whether a track that ends at `stop` swallowed or lost part of the next track's name."""
    if stop + 8 > len(data) or data[stop : stop + 4] == b"MTrk":
        return False
    return data.find(b"MTrk", max(0, stop - 12), stop + 12) >= 0


def tick_bound(data: bytes) -> int:
    """A bound on the ticks of any track, without reading events: a hundred times faster than that.

    A delta time is a run of up to three bytes ≥ 0x80 closed by one below; taking every such run in
    the file for a delta counts too much, never too little. Only the values of tempo events are left
    out, which look like long deltas; a file made to abuse that gains nothing, since what was parsed
    is measured too.
    """
    array = np.frombuffer(data, np.uint8)
    high = array >= 0x80
    pairs = np.flatnonzero(high[:-1] & high[1:])
    triples = int(np.count_nonzero(np.diff(pairs) == 1))
    coarse = len(data) << 7 | int(np.count_nonzero(high)) << 14
    if len(pairs) < 512 and triples < 4:
        return coarse + (len(pairs) << 21) + (triples << 28)
    array = array.copy()
    tempo = np.flatnonzero((array[:-5] == 0xFF) & (array[1:-4] == 0x51) & (array[2:-3] == 3))
    array[tempo[:, None] + np.arange(3, 6)] = 0
    high = array >= 0x80
    value = (array & 0x7F).astype(np.int64)
    total = int(value[~high].sum())
    for back in (1, 2, 3):  # how far a high byte may stand before the byte that closes its run
        closed = ~high[back:]
        for between in range(back):
            closed = closed & high[between : len(high) - back + between]
        total += int(value[: len(value) - back][closed].sum()) << 7 * back
    return total


def check_ticks(data: bytes, layout: Layout, limits: Limits) -> None:
    """Raises RejectedError where a track has more ticks or events than the limits allow."""
    if tick_bound(data) <= limits.ticks and len(data) // 2 <= limits.events:
        return
    events = 0
    for start, stop, _ in layout.tracks:
        track = read_track(data, start, stop)
        events += len(track.events)
        check_track(track, events, limits)


@dataclass
class Track:
    """The events of one track as (delta, bytes with status), and what had to be overlooked."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    ticks: int = 0
    notes: list[str] = field(default_factory=list)
    ended: bool = False  # by an end-of-track event
    fault: RejectedError | None = None


def check_track(track: Track, events: int, limits: Limits) -> None:
    """Raises RejectedError where the track is too long or the file has too many events."""
    if track.ticks > limits.ticks:
        raise RejectedError(Reason.TOO_LONG, f"{track.ticks} ticks")
    if events > limits.events:
        raise RejectedError(Reason.TOO_MANY_EVENTS, f"more than {limits.events}")


_LENGTHS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which have no place here


def read_track(data: bytes, start: int, stop: int) -> Track:
    """Read events one by one, as far as they can be read; `fault` says why it stopped early."""
    track = Track()
    place, status = start, 0
    try:
        while place < stop:
            delta, place = _read_vlq(data, place, stop)
            track.ticks += delta
            if place >= stop:
                raise _cut(1)
            if data[place] >= 0x80:
                head = data[place]
                place += 1
                status = head if head < 0xF0 else status
            elif status:
                head = status
            else:
                raise RejectedError(Reason.CORRUPT, f"running status from nothing at byte {place}")
            event, place = _read_event(data, place, stop, head)
            if event == b"\xff\x2f\x00":
                track.ended = True
                break
            if event:
                track.events.append((track.ticks, event))
            else:
                track.notes.append(f"system message {head:02x}")
    except RejectedError as fault:
        track.fault = fault
    return track


def _read_event(data: bytes, place: int, stop: int, head: int) -> tuple[bytes, int]:
    """The event whose status is `head` and whose data begin at `place`; empty for one to drop."""
    if head < 0xF0:
        end = place + _LENGTHS[head >> 4]
        body = data[place : min(end, stop)]
        if any(byte > 0x7F for byte in body):
            raise RejectedError(Reason.CORRUPT, f"data byte over 127 at byte {place}")
        if end > stop:
            raise _cut(end - stop)
        return bytes((head,)) + body, end
    if head not in (0xF0, 0xF7, 0xFF):
        return b"", min(stop, place + _SYSTEM.get(head, 0))
    meta = place
    if head == 0xFF:
        place += 1
    length, place = _read_vlq(data, place, stop)
    if place + length > stop:
        raise _cut(place + length - stop)
    return bytes((head,)) + data[meta : place + length], place + length


def _read_vlq(data: bytes, place: int, stop: int) -> tuple[int, int]:
    value = 0
    for index in range(place, min(place + 4, stop)):
        byte = data[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    if place + 4 >= stop:
        raise _cut(1)
    raise RejectedError(Reason.CORRUPT, f"a number without an end at byte {place}")


def _cut(missing: int) -> RejectedError:
    return RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early", missing)
