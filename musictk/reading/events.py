"""The events of a MIDI file as numpy arrays.

No library parses the untrusted bytes. Parsing is sequential, since an event must be parsed to find
the next one. Therefore numpy first computes, for every byte of the file at once, the length of an
event that would begin there (`tables`); a short loop then jumps from event to event (`walk`).

Source of the format: the MIDI Association's "Standard MIDI Files 1.0", RP-001.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.reading import meta
from musictk.reading.chunks import FileChunks, read_chunks
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.tables import KIND, TEMPO, Bytes, Ints
from musictk.reading.walk import SLACK, Walk

__all__ = ["SLACK", "Bytes", "Events", "Ints", "NonChannelEvent", "TempoEvents", "read_events"]


class NonChannelEvent(NamedTuple):
    """A meta event (status 0xFF) or a system exclusive message (0xF0, 0xF7)."""

    order: int  # offset in the file, of the delta time
    track: int
    tick: int
    status: int
    kind: int  # of a meta event: its type; else -1
    data: bytes  # without the length


@dataclass(frozen=True)
class TempoEvents:
    """The tempo events of three bytes, in the order of the file."""

    order: Ints  # (T,) offset of each
    track: Ints  # (T,)
    tick: Ints  # (T,)
    micros: Ints  # (T,) microseconds per quarter


@dataclass(frozen=True)
class Events:
    """All events of a file, by kind, in the order of the file; `order` merges the kinds."""

    chunks: FileChunks
    order: Ints  # (N,) offset of each channel message
    track: Ints  # (N,) index of its track
    tick: Ints  # (N,) ticks since the beginning of its track
    status: Bytes  # (N,) 0x80 to 0xEF, running status resolved
    first: Bytes  # (N,) first data byte
    second: Bytes  # (N,) second data byte; 0 in messages of one data byte
    tempos: TempoEvents
    specials: tuple[NonChannelEvent, ...]  # without those in `tempos`
    ends: Ints  # (tracks,) the tick at which each track ends
    repairs: list[str] = field(default_factory=list)  # descriptions of tolerated errors

    def raw(self, track: int) -> list[tuple[int, bytes]]:
        """The events of one track in order as (tick, bytes with status), without end of track."""
        rows: list[tuple[int, int, bytes]] = []
        for index in np.flatnonzero(self.track == track).tolist():
            status = int(self.status[index])
            data = (self.first[index], self.second[index])[: KIND[status]]
            message = bytes((status, *(int(byte) for byte in data)))
            rows.append((int(self.order[index]), int(self.tick[index]), message))
        tempos = self.tempos
        for index in np.flatnonzero(tempos.track == track).tolist():
            message = bytes((0xFF, meta.TEMPO, 3)) + int(tempos.micros[index]).to_bytes(3)
            rows.append((int(tempos.order[index]), int(tempos.tick[index]), message))
        for special in self.specials:
            if special.track == track and special.kind != meta.END_OF_TRACK:
                head = (special.status,) if special.kind < 0 else (special.status, special.kind)
                message = bytes(head) + variable_length(len(special.data)) + special.data
                rows.append((special.order, special.tick, message))
        return [(tick, message) for _, tick, message in sorted(rows)]


def read_events(data: bytes, limits: Limits) -> Events:
    """Read and check the events of a file. Raises RejectedError where it is not accepted."""
    if len(data) > limits.size:
        raise RejectedError(Reason.TOO_LARGE, f"{len(data)} bytes")
    chunks = read_chunks(data, limits)
    walk = Walk(data, limits)
    for track, (start, stop, missing) in enumerate(chunks.tracks):
        walk.track(track, start, stop, missing)
    return _events(walk, chunks, limits)


def variable_length(value: int) -> bytes:
    """A variable-length quantity: seven bits per byte, the highest first."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def _events(walk: Walk, chunks: FileChunks, limits: Limits) -> Events:
    """The events found by a walk, as arrays."""
    starts, tables = walk.starts(), walk.tables
    # The events between one of `found` and the next have one track and one offset in time.
    before = starts.searchsorted(walk.places)
    between = np.empty_like(before)
    np.subtract(before[1:], before[:-1], out=between[:-1])
    between[-1] = len(starts) - before[-1]
    owner = np.array([found.track for found in walk.found], np.int64)
    opens = [place for place, found in enumerate(walk.found) if found.status == 0]
    after = tables.afters(starts)
    tick = tables.deltas(starts, after).cumsum()
    since = np.cumsum(walk.deltas)  # ticks of all of `found` up to each
    total = int(since[-1]) + (int(tick[-1]) if len(tick) else 0)
    passed = since.copy()  # ticks of the whole file
    passed[before > 0] += tick[before[before > 0] - 1]
    ends = np.array([*passed[opens[1:]].tolist(), total]) - passed[opens]
    if ends.max() > limits.ticks:
        raise RejectedError(Reason.TOO_LONG, f"{ends.max()} ticks")
    began = passed[opens].take(owner)
    tick += np.repeat(since - began, between)
    track = np.repeat(owner, between)
    others = [
        NonChannelEvent(place, index, when, status, kind, data)
        for place, when, (index, status, kind, data) in zip(
            walk.places, (passed - began).tolist(), walk.found, strict=True
        )
        if status in (0xF0, 0xF7, 0xFF)
    ]
    tempos, kept = _split(walk, starts, track, tick, others)
    if kept is not None:
        starts, after, track, tick = starts[kept], after[kept], track[kept], tick[kept]
    specials = tuple(special for special in others if not _is_tempo(special))
    status, first, second = tables.contents(starts, after)
    return Events(
        *(chunks, starts, track, tick, status, first, second, tempos, specials, ends),
        repairs=[*chunks.repairs, *walk.repairs],
    )


def _is_tempo(special: NonChannelEvent) -> bool:
    return special.kind == meta.TEMPO and len(special.data) == 3


def _split(
    walk: Walk, starts: Ints, track: Ints, tick: Ints, others: list[NonChannelEvent]
) -> tuple[TempoEvents, NDArray[np.bool_] | None]:
    """The tempos, and which of `starts` are channel messages; None for all."""
    taken = [
        (special.order, special.track, special.tick, int.from_bytes(special.data))
        for special in others
        if _is_tempo(special)
    ]
    rows = np.array(taken, np.int64).reshape(len(taken), 4)
    if not walk.tables.tempos:
        return TempoEvents(*rows.T), None
    kinds = walk.tables.kinds(starts)
    walk.check_running_status(kinds)
    kept = kinds != TEMPO
    at = (~kept).nonzero()[0]
    passed = np.stack([starts[at], track[at], tick[at], walk.tables.micros(starts[at])], axis=1)
    if taken:
        passed = np.concatenate([passed, rows])
        passed = passed[np.argsort(passed[:, 0])]
    return TempoEvents(*passed.T), kept
