"""The chunks of a Standard MIDI File: its header and its tracks.

Source of the format: the MIDI Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError

_SEARCH = 4096  # bytes that may precede the header
_HEADER = struct.Struct(">HHH")


@dataclass
class FileChunks:
    """Header fields, the position of each track, and descriptions of repairs."""

    format: int
    division: int
    tracks: list[tuple[int, int, int]]  # start and stop of the events, and number of missing bytes
    repairs: list[str] = field(default_factory=list)  # empty for a valid file


def find_header(data: bytes) -> int:
    """The offset of the MThd chunk, which may follow a RIFF header or other data.

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
    """Read the header and find the tracks. Raises RejectedError for an unreadable file."""
    start = find_header(data)
    repairs = [f"{start} bytes before the header"] if start else []
    if len(data) < start + 14:
        raise RejectedError(Reason.BAD_HEADER, f"{len(data) - start} bytes are no complete header")
    length = int.from_bytes(data[start + 4 : start + 8])
    if length < 6:
        raise RejectedError(Reason.BAD_HEADER, f"header of {length} bytes")
    kind, declared, division = _HEADER.unpack_from(data, start + 8)
    if division == 0 or (division & 0x8000 and division & 0xFF == 0):
        raise RejectedError(Reason.BAD_DIVISION, f"division {division}")
    if length > 6:
        repairs.append(f"header of {length} bytes")
    if kind > 2:
        repairs.append(f"format {kind} read as 1")
    if division & 0x8000:
        repairs.append("SMPTE division")
    chunks = FileChunks(kind, division, [], repairs)
    _read_chunks(data, start + 8 + (length if start + 8 + length <= len(data) else 6), chunks)
    if len(chunks.tracks) > limits.tracks:
        raise RejectedError(Reason.TOO_MANY_TRACKS, f"{len(chunks.tracks)} > {limits.tracks}")
    if not chunks.tracks:
        reason = Reason.TRUNCATED if declared else Reason.NO_NOTES
        raise RejectedError(reason, f"no track of {declared} declared")
    return chunks


def _read_chunks(data: bytes, place: int, chunks: FileChunks) -> None:
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
        stop, missing = place + 8 + length, 0
        if name == b"MTrk" and (stop > len(data) or _cuts_a_chunk(data, stop)):
            # The length is wrong: the track extends to the beginning of the next one.
            found = data.find(b"MTrk", place + 8)
            missing = 0 if found >= 0 else stop - len(data)
            stop = found if found >= 0 else len(data)
            chunks.repairs.append(f"track length {length} is wrong")
        elif stop > len(data):
            found = data.find(b"MTrk", place + 8)
            if found < 0:
                return  # padding or garbage after the last track
            chunks.repairs.append(f"chunk length {length} is wrong")
            stop = found
        if name == b"MTrk":
            chunks.tracks.append((place + 8, stop, missing))
        place = stop


def _cuts_a_chunk(data: bytes, stop: int) -> bool:
    """Whether the end of a track at `stop` is inside or after the name of the next track chunk."""
    if stop + 8 > len(data) or data[stop : stop + 4] == b"MTrk":
        return False
    return data.find(b"MTrk", max(0, stop - 12), stop + 12) >= 0
