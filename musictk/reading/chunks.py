"""The chunks of a Standard MIDI File: its header, and where its tracks lie.

Source of the format: the MIDI Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError

_SEARCH = 4096  # bytes in which a header may be found behind something else
_HEADER = struct.Struct(">HHH")


@dataclass
class FileChunks:
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


def read_chunks(data: bytes, limits: Limits) -> FileChunks:
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
    layout = FileChunks(kind, division, [], notes)
    _read_chunks(data, start + 8 + (length if start + 8 + length <= len(data) else 6), layout)
    if len(layout.tracks) > limits.tracks:
        raise RejectedError(Reason.TOO_MANY_TRACKS, f"{len(layout.tracks)} > {limits.tracks}")
    if not layout.tracks:
        reason = Reason.TRUNCATED if declared else Reason.NO_NOTES
        raise RejectedError(reason, f"no track of {declared} declared")
    return layout


def _read_chunks(data: bytes, place: int, layout: FileChunks) -> None:
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
