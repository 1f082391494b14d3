"""Replace the notes of some bars of a MIDI file; all other events are kept byte for byte.

Notes that begin in a range are removed and new ones are added. No other note changes: a new note
never sounds together with a kept note of its pitch and channel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from symusic.core import ScoreTick

from musictk.reading.limits import Limits
from musictk.reading.read import read_drum_channels
from musictk.rendering import hands, smf
from musictk.rendering.channels import ChannelNotes, without_overlaps
from musictk.rendering.kept_notes import clear_of, sounding_notes
from musictk.rendering.note_places import PlayedNote, notes_within
from musictk.rendering.parts import Part, Parts
from musictk.rendering.raw_notes import (
    NoteKey,
    NotePlace,
    RawNote,
    TrackChannel,
    close_notes,
    paired_notes,
)
from musictk.rendering.ticks import TickScale

Range = tuple[int, int]  # first tick, and the tick after the last


@dataclass(frozen=True)
class Spliced:
    """A file with some of its notes removed or added, and how many."""

    data: bytes
    count: int
    left_out: int = 0  # new notes that a kept one of their pitch and channel leaves no room for


def remove(
    data: bytes,
    ranges: Collection[Range],
    channels: Collection[TrackChannel] | None = None,
    kept: Collection[NotePlace] = (),
) -> Spliced:
    """The file without the notes that begin in `ranges`, of `channels` (default: of all).

    The notes of `kept` stay. Notes that begin before a range and sound into it are kept whole:
    where such a note ended because a removed one began, its note-off is added. Raises UsageError
    for a file of format 2, and RejectedError for one that cannot be read.
    """
    file = _read(data)
    count, written = 0, []
    for index, events in enumerate(file.tracks):
        chosen = [
            note
            for note in paired_notes(events, file.ends[index])
            if any(start <= note.start < stop for start, stop in ranges)
            and (channels is None or TrackChannel(index, note.key.channel) in channels)
            and NotePlace(index, note.key.channel, note.start, note.key.pitch) not in kept
        ]
        written.append(_without(events, file.ends[index], chosen))
        count += len(chosen)
    return Spliced(smf.dump(replace(file, tracks=tuple(written))), count)


def insert(
    data: bytes,
    given: bytes,
    new: ScoreTick,
    place: Range,
    quarter: int,
    by_program: bool,
    channels: Collection[TrackChannel] | None = None,
    begins: int | None = None,
    chords: bool = False,
    rhythm: bool = False,
) -> Spliced:
    """The file `data` with the notes of `new` that begin in the range `place`.

    `given` is the file before notes were removed, whose parts get the new notes: those of
    `channels`, or all. The file has `quarter` ticks per quarter note, and tick 0 of `new` is its
    tick `begins`, by default the first of the range. A new note ends where a kept note of its pitch
    and channel begins; one that begins while such a note sounds is left out. The notes are assigned
    to the parts one by one, or with `chords` chord by chord, and then end with the range; with
    `rhythm`, which is that of the removed notes, each gets the part, onset, length and velocity of
    the note that it replaces.
    """
    file, before = _read(data), _read(given)
    parts = Parts(before, place[0], read_drum_channels(given, Limits()), channels)
    scale = TickScale(new.ticks_per_quarter, quarter, place[0] if begins is None else begins)
    replaced = notes_within(before, *place) if rhythm else []
    notes = parts.assign(new, scale, by_program, chords, [note.place for note in replaced])
    notes = notes.where((notes.start >= place[0]) & (notes.start < place[1]))
    notes = _in_rhythm(notes, parts.known, replaced)
    last = place[1] if chords and not rhythm else max(place[1], *before.ends)
    added = _new_notes(clear_of(notes, sounding_notes(file)), last)
    joined, ends = [list(track) for track in file.tracks], list(file.ends)
    for index, opening in sorted(parts.opened.items()):
        if any(parts.known[note.part].track == index for note in added):
            joined += [[] for _ in range(index + 1 - len(joined))]
            joined[index] += [(tick, message) for tick, _, message in opening]
    ends += [0] * (len(joined) - len(ends))
    for index in range(len(joined)):
        mine = [note for note in added if parts.known[note.part].track == index]
        last = max((note.end for note in mine), default=0)
        if last > ends[index] and index < len(file.tracks):
            joined[index] = close_notes(joined[index], ends[index])
        joined[index] = _merged(joined[index], mine)
        ends[index] = max(ends[index], last)
    kind = 1 if len(joined) > 1 else file.format
    written = replace(file, format=kind, tracks=tuple(map(tuple, joined)), ends=tuple(ends))
    return Spliced(smf.dump(written), len(added), len(notes.start) - len(added))


def _read(data: bytes) -> smf.MidiFile:
    return smf.read_song(data, "save the song to rewrite as a separate file")


def _in_rhythm(
    notes: ChannelNotes, parts: Sequence[Part], replaced: Sequence[PlayedNote]
) -> ChannelNotes:
    """The notes with the onset, length and velocity of the one of their part that each replaces.

    The grid and the velocities of a model are coarser than those of a file.
    """
    if not replaced:
        return notes
    start, end, velocity = notes.start.copy(), notes.end.copy(), notes.velocity.copy()
    for number, part in enumerate(parts):
        own = TrackChannel(part.track, part.channel)
        old = [note for note in replaced if note.place[:2] == own]
        mine = np.flatnonzero(notes.track == number)
        if not (len(mine) and old):
            continue
        onset, pitch = np.array([note.place[2:] for note in old]).T
        source = hands.replace(
            notes.start[mine], notes.pitch[mine], onset, pitch, np.arange(len(old))
        )
        start[mine] = onset[source]
        end[mine] = np.array([note.end for note in old])[source]
        velocity[mine] = np.array([note.velocity for note in old])[source]
    return without_overlaps(replace(notes, start=start, end=end, velocity=velocity))


def _without(
    events: tuple[smf.Event, ...], end: int, chosen: Sequence[RawNote]
) -> tuple[smf.Event, ...]:
    """A track without the chosen notes."""
    if not chosen:
        return events
    keys, ons = {note.key for note in chosen}, {note.on for note in chosen}
    return tuple(close_notes(events, end, keys, ons))


@dataclass(frozen=True)
class _NewNote:
    """A note to add, in ticks of the file."""

    start: int
    end: int
    key: NoteKey
    velocity: int
    part: int  # index of `Parts.known`


def _new_notes(notes: ChannelNotes, last: int) -> list[_NewNote]:
    """The notes, none of which sounds after the tick `last`."""
    columns = (notes.start, notes.end, notes.pitch, notes.velocity, notes.channel, notes.track)
    return [
        _NewNote(start, min(end, last), NoteKey(channel, pitch), velocity, part)
        for start, end, pitch, velocity, channel, part in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _merged(events: Iterable[smf.Event], new: Iterable[_NewNote]) -> list[smf.Event]:
    """The events with new notes. In a tick, their note-offs come first and their note-ons last."""
    rows = [(tick, 1, message) for tick, message in events]
    for note in new:
        pitch, channel = note.key.pitch, note.key.channel
        rows.append((note.start, 2, bytes((0x90 | channel, pitch, note.velocity))))
        rows.append((note.end, 0, bytes((0x80 | channel, pitch, 64))))
    rows.sort(key=lambda row: row[:2])
    return [(tick, message) for tick, _, message in rows]
