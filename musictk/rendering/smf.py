"""Read and write Standard MIDI Files as lists of raw events, without loss.

A Score has no channels, no order within a tick and no system exclusive messages. This module keeps
the events of a file as bytes. Source of the format: the MIDI Association's "Standard MIDI Files
1.0", RP-001.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from musictk.errors import UsageError
from musictk.reading import meta
from musictk.reading.events import read_events, variable_length
from musictk.reading.limits import Limits

Event = tuple[int, bytes]  # tick, and message with status byte

_MAX_DELTA = 0x0FFFFFFF  # ticks


@dataclass(frozen=True)
class MidiFile:
    """A MIDI file. The events of a track are in order of time, without its end-of-track event."""

    format: int
    division: int  # ticks per quarter note, or SMPTE frames and their parts
    tracks: tuple[tuple[Event, ...], ...]
    ends: tuple[int, ...]  # the tick of each track's end


def meta_event(kind: int, data: bytes) -> bytes:
    """A meta event of type `kind`."""
    return bytes((0xFF, kind)) + variable_length(len(data)) + data


def text_event(kind: int, words: str) -> bytes:
    """A text meta event, such as a marker or the name of a track."""
    return meta_event(kind, words.encode("utf-8", "replace"))


def read(data: bytes) -> MidiFile:
    """Read the events of a file with the checks and repairs of `ingest`.

    Raises RejectedError for a file that is not accepted.
    """
    events = read_events(data, Limits())
    tracks = tuple(tuple(events.raw(track)) for track in range(len(events.chunks.tracks)))
    ends = tuple(int(end) for end in events.ends)
    return MidiFile(min(events.chunks.format, 2), events.chunks.division, tracks, ends)


def read_song(data: bytes, hint: str) -> MidiFile:
    """`read` a file of one song.

    Raises UsageError with `hint` for a file of format 2, whose tracks are separate songs.
    """
    file = read(data)
    if file.format == 2:
        raise UsageError("a file of format 2 has several songs one after the other", hint)
    return file


def dump(file: MidiFile) -> bytes:
    """The file as bytes. Events of one tick keep their order."""
    head = struct.pack(">4sIHHH", b"MThd", 6, file.format, len(file.tracks), file.division)
    pairs = zip(file.tracks, file.ends, strict=True)
    return head + b"".join(_chunk(events, end) for events, end in pairs)


def _chunk(events: Iterable[Event], end: int) -> bytes:
    parts: list[bytes] = []
    now = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        parts += [variable_length(min(tick - now, _MAX_DELTA)), message]
        now = tick
    parts += [
        variable_length(min(max(end - now, 0), _MAX_DELTA)),
        meta_event(meta.END_OF_TRACK, b""),
    ]
    body = b"".join(parts)
    return b"MTrk" + len(body).to_bytes(4) + body
