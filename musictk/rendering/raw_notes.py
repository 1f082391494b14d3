"""The notes among the raw events of a track, paired as `musictk.reading.pairing` pairs them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from musictk.rendering.smf import Event


class NoteKey(NamedTuple):
    """Which notes can end each other."""

    channel: int
    pitch: int


class TrackChannel(NamedTuple):
    """A channel on one track of a file."""

    track: int
    channel: int


class NotePlace(NamedTuple):
    """Where a note of a file is."""

    track: int
    channel: int
    start: int  # ticks
    pitch: int


class RawNote(NamedTuple):
    """A note, and the indices of its events in the track."""

    key: NoteKey
    start: int  # ticks
    end: int  # ticks
    on: int
    off: int  # -1 where another note-on, or the end of the track, ends it


def paired_notes(events: Sequence[Event], end: int) -> list[RawNote]:
    """The notes of a track, which ends at the tick `end`, by key and note-on.

    If every note-on of a pitch and channel has a note-off, they are paired first in, first out.
    Otherwise a note ends at the next note-off or later note-on of its pitch, or with its track. A
    note-off of a pitch that is not sounding is ignored.
    """
    found: list[RawNote] = []
    for key, places in _by_key(events).items():
        ons = [index for index in places if _strikes(events[index][1])]
        offs = _ending(events, places)
        if len(ons) == len(offs):
            found += [
                RawNote(key, events[on][0], events[off][0], on, off)
                for on, off in zip(ons, offs, strict=True)
            ]
        else:
            found += _unbalanced(events, end, key, ons, offs)
    return found


def close_notes(
    events: Sequence[Event],
    end: int,
    keys: Collection[NoteKey] | None = None,
    removed: Collection[int] = (),
) -> list[Event]:
    """The events with a note-off for every note of `keys` (default: of all).

    So no later event, nor a later end of the track, changes when these notes end. `removed` are the
    indices of note-ons to leave out, together with their own note-offs.
    """
    shared: dict[int, int] = defaultdict(int)  # note-off -> notes that are kept and end with it
    left_out = set(removed)
    added: list[tuple[int, RawNote]] = []
    for note in paired_notes(events, end):
        if keys is not None and note.key not in keys:
            continue
        if note.on in removed:
            left_out.add(note.off)
            continue
        if note.off < 0 or shared[note.off]:
            added.append((note.end, note))
        shared[note.off] += 1
    left_out -= {off for off, count in shared.items() if count}
    return _with_offs(events, left_out, added)


def _with_offs(
    events: Sequence[Event], left_out: set[int], added: Sequence[tuple[int, RawNote]]
) -> list[Event]:
    """The events without some, and with note-offs before all that is at their tick but note-ons
    that they end."""
    rows = [
        (tick, 1, index, message)
        for index, (tick, message) in enumerate(events)
        if index not in left_out
    ]
    for tick, note in added:
        message = bytes((0x80 | note.key.channel, note.key.pitch, 64))
        # A note that begins in this very tick is ended after it.
        rows.append((tick, 0, 0, message) if tick > note.start else (tick, 1, note.on, message))
    rows.sort(key=lambda row: row[:3])
    return [(tick, message) for tick, _, _, message in rows]


def _by_key(events: Sequence[Event]) -> dict[NoteKey, list[int]]:
    """The indices of the note-ons and note-offs of each key, in order."""
    found: dict[NoteKey, list[int]] = defaultdict(list)
    for index, (_, message) in enumerate(events):
        if message[0] >> 4 in (0x8, 0x9):
            found[NoteKey(message[0] & 15, message[1])].append(index)
    return found


def _strikes(message: bytes) -> bool:
    return message[0] >> 4 == 0x9 and message[2] > 0


def _ending(events: Sequence[Event], places: Sequence[int]) -> list[int]:
    """The note-offs of a key, without those while its pitch is not sounding."""
    found, sounding = [], 0
    for index in places:
        if _strikes(events[index][1]):
            sounding += 1
        elif sounding:
            sounding -= 1
            found.append(index)
    return found


def _unbalanced(
    events: Sequence[Event], end: int, key: NoteKey, ons: Sequence[int], offs: Sequence[int]
) -> list[RawNote]:
    """The notes of a key where note-offs are missing."""
    ticks = [events[on][0] for on in ons]
    found = []
    for on, start in zip(ons, ticks, strict=True):
        next_off, next_on = bisect_right(offs, on), bisect_right(ticks, start)
        off, until = -1, max(end, start)
        if next_off < len(offs):
            off = offs[next_off]
            until = events[off][0]
        if next_on < len(ons) and (off < 0 or ticks[next_on] < until):
            off, until = -1, ticks[next_on]
        found.append(RawNote(key, start, until, on, off))
    return found
