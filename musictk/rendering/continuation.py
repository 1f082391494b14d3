"""Append new bars to a MIDI file, whose own events are kept byte for byte.

New notes are assigned to the existing parts of the file: see `musictk.rendering.parts`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.reading.limits import Limits
from musictk.reading.read import read_drum_channels
from musictk.rendering import smf
from musictk.rendering.midi import (
    SectionSpan,
    TimedEvent,
    in_order,
    marker_event,
    metre_event,
    note_events,
    tempo_event,
)
from musictk.rendering.note_places import notes_within
from musictk.rendering.parts import Parts
from musictk.rendering.raw_notes import NotePlace
from musictk.rendering.ticks import TickScale

# Controllers that are reset where new bars begin -> their default values.
_AT_REST = {1: 0, 64: 0, 66: 0, 67: 0}
_FADED = {7: 100, 11: 127}  # volume and expression, reset only after a fade-out
_SILENT = 16  # highest volume that counts as faded out
_CENTRE = (0, 64)  # a pitch bend of 0
_OF_TIME = (b"\xff\x51", b"\xff\x58")  # tempo, metre


@dataclass(frozen=True)
class JoinPoint:
    """Where new bars begin in a file."""

    tick: int  # a bar line of the file
    quarter: int  # ticks of a quarter note
    metre: tuple[int, int]  # in force there

    def scale(self, quarter: int) -> TickScale:
        """From ticks since the join, at `quarter` per quarter note, to ticks of the file."""
        return TickScale(quarter, self.quarter, self.tick)


class Repeat(NamedTuple):
    """Some ticks of the new music, and the tick of the file from which on they repeat it."""

    start: int
    stop: int
    source: int


def append(
    data: bytes,
    join: JoinPoint,
    new: ScoreTick,
    sections: Sequence[SectionSpan],
    by_program: bool,
    repeats: Sequence[Repeat] = (),
) -> bytes:
    """The MIDI file `data` with the music of `new` added at its bar line `join`.

    `new` begins at tick 0. `sections`, in ticks of `new`, become markers; one that begins before
    tick 0 is marked at the beginning of the file. Notes of `repeats` are played by the parts that
    played them before. All given events are kept, but for a tempo or a metre at the join in place
    of which the new bars have another. Raises UsageError for a file of format 2, whose tracks are
    separate songs.
    """
    file = smf.read_song(data, "save the song to continue as a separate file")
    continuation = _Continuation(file, join, read_drum_channels(data, Limits()))
    continuation.rest()
    continuation.play(new, by_program, repeats)
    continuation.mark(new, sections)
    return smf.dump(continuation.file(new, sections))


class _Continuation:
    """The events that are added to a given file."""

    def __init__(self, file: smf.MidiFile, join: JoinPoint, drums: Collection[int]) -> None:
        self._given, self._join = file, join
        self._late = _late_changes(file)
        self._parts = Parts(_without(file, self._late), join.tick, drums)
        self._new: dict[int, list[TimedEvent]] = {}  # track -> events

    def file(self, new: ScoreTick, sections: Sequence[SectionSpan]) -> smf.MidiFile:
        """The given file with the new events."""
        file, last = self._given, max([0, *(section.end for section in sections)])
        end = self._at(last, new)
        count = max([len(file.tracks), *(index + 1 for index in self._new)])
        tracks, ends = [], []
        stated = {kind for each in self._new.values() for kind in map(self._stated, each) if kind}
        for index in range(count):
            known = index < len(file.tracks)
            kept = file.tracks[index] if known else ()
            # Two tempos or metres at one tick would contradict each other.
            given = [each for each in kept if self._stated(each) not in stated]
            events = [*given, *in_order(self._new.get(index, []))]
            events.sort(key=lambda event: event[0])
            tracks.append(tuple(events))
            before = file.ends[index] if known else 0
            ends.append(max(before, end, *(tick for tick, _ in events[-1:]), 0))
        kind = 1 if len(tracks) > 1 else file.format
        return replace(file, format=kind, tracks=tuple(tracks), ends=tuple(ends))

    def rest(self) -> None:
        """End sounding notes, and reset what would affect new bars: controllers, pitch bends, and
        instruments that are chosen after the last note."""
        held: set[tuple[int, int, int]] = set()  # (track, channel, pitch)
        state: dict[tuple[int, int], tuple[int, int]] = {}  # (channel, controller) -> track, value
        bends: dict[int, tuple[int, tuple[int, int]]] = {}
        events = [
            (tick, index, message)
            for index, track in enumerate(self._given.tracks)
            for tick, message in track
            if tick <= self._join.tick
        ]
        for _, index, message in sorted(events, key=lambda event: event[0]):
            kind, channel = message[0] >> 4, message[0] & 15
            if kind == 0x9 and message[2]:
                held.add((index, channel, message[1]))
            elif kind in (0x8, 0x9):  # one note-off ends all note-ons before it
                held.discard((index, channel, message[1]))
            elif kind == 0xB:
                state[channel, message[1]] = index, message[2]
            elif kind == 0xE:
                bends[channel] = index, (message[1], message[2])
        for index, channel, pitch in sorted(held):
            end = min(self._given.ends[index], self._join.tick)
            self._put(index, bytes((0x80 | channel, pitch, 64)), end)
        for (channel, number), (index, value) in state.items():
            rest = _AT_REST.get(number, _FADED.get(number) if value < _SILENT else None)
            if rest is not None and value != rest:
                self._put(index, bytes((0xB0 | channel, number, rest)))
        for channel, (index, bend) in bends.items():
            if bend != _CENTRE:
                self._put(index, bytes((0xE0 | channel, *_CENTRE)))
        for late in self._late:
            played = bytes((0xC0 | late.channel, late.played))
            self._put(late.track, played, max(late.tick, self._join.tick))

    def play(self, new: ScoreTick, by_program: bool, repeats: Sequence[Repeat]) -> None:
        """Assign the notes of `new` to parts."""
        scale, repeated = self._join.scale(new.ticks_per_quarter), self._repeated(new, repeats)
        notes = self._parts.assign(new, scale, by_program, repeated=repeated)
        for track, events in self._parts.opened.items():
            self._new.setdefault(track, []).extend(events)
        for number, part in enumerate(self._parts.known):
            mine = notes.where(notes.track == number)
            self._new.setdefault(part.track, []).extend(note_events(mine))

    def _repeated(self, new: ScoreTick, repeats: Sequence[Repeat]) -> list[NotePlace]:
        """The notes of the file that are repeated, where the new music repeats them."""
        if not repeats:
            return []
        played = (note.place for note in notes_within(self._given, 0, self._join.tick))
        given = sorted(played, key=lambda note: note.start)
        onsets, found = [note.start for note in given], list[NotePlace]()
        for repeat in repeats:
            start, stop = self._at(repeat.start, new), self._at(repeat.stop, new)
            moved = start - repeat.source
            first, last = (bisect_left(onsets, tick - moved) for tick in (start, stop))
            found += [note._replace(start=note.start + moved) for note in given[first:last]]
        return found

    def mark(self, new: ScoreTick, sections: Sequence[SectionSpan]) -> None:
        """Add markers, tempos, and time signatures where the metre changes."""
        for tempo in new.tempos:
            self._put(0, tempo_event(tempo.mspq), self._at(tempo.time, new))
        before = self._join.metre
        for sign in sorted(new.time_signatures, key=lambda sign: sign.time):
            metre = sign.numerator, sign.denominator
            if metre != before:
                self._put(0, metre_event(*metre), self._at(sign.time, new))
            before = metre
        for section in sections:
            tick = 0 if section.start < 0 else self._at(section.start, new)
            self._put(0, marker_event(section.label), tick)

    def _stated(self, event: smf.Event | TimedEvent) -> bytes:
        """The kind of an event at the join that states a tempo or a metre; else none."""
        kind = bytes(event[-1][:2])
        return kind if event[0] == self._join.tick and kind in _OF_TIME else b""

    def _put(self, track: int, message: bytes, tick: int | None = None) -> None:
        self._new.setdefault(track, []).append(
            (self._join.tick if tick is None else tick, 0, message)
        )

    def _at(self, tick: int, new: ScoreTick) -> int:
        return int(self._join.scale(new.ticks_per_quarter)(tick))


@dataclass(frozen=True)
class _LateChange:
    """A program change after the last note of its channel."""

    track: int
    index: int  # of the event in its track
    tick: int
    channel: int
    played: int  # the program of the last note


def _late_changes(file: smf.MidiFile) -> list[_LateChange]:
    """The changes to another program after the last note of a channel with notes."""
    rows = [
        (tick, track, index, message)
        for track, events in enumerate(file.tracks)
        for index, (tick, message) in enumerate(events)
    ]
    program: dict[int, int] = {}  # of each channel
    played: dict[int, int] = {}  # that of its last note
    later: dict[int, list[tuple[int, int, int]]] = {}  # the changes after this note
    for tick, track, index, message in sorted(rows, key=lambda row: row[0]):
        kind, channel = message[0] >> 4, message[0] & 15
        if kind == 0xC:
            program[channel] = message[1]
            if message[1] != played.get(channel, message[1]):
                later[channel].append((track, index, tick))
        elif kind == 0x9 and message[2]:
            played[channel] = program.get(channel, 0)
            later[channel] = []
    return [
        _LateChange(*place, channel, number)
        for channel, number in played.items()
        for place in later[channel]
    ]


def _without(file: smf.MidiFile, late: Collection[_LateChange]) -> smf.MidiFile:
    """The file without these program changes."""
    left_out = {(each.track, each.index) for each in late}
    tracks = tuple(
        tuple(event for index, event in enumerate(events) if (track, index) not in left_out)
        for track, events in enumerate(file.tracks)
    )
    return replace(file, tracks=tracks)
