"""New bars behind a user's own file, whose events come back as they were, byte for byte.

New notes go to the parts that are there. Which part plays a note is decided by its instrument,
where the model hears instruments, and then by register: of the parts that could play it, the one
whose latest notes lie nearest plays it. So the right hand keeps the high notes and the left hand
the low ones, on their own tracks. A track is added only for an instrument that the file lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.rendering import smf
from musictk.rendering.channels import DRUM_CHANNEL, PITCHED, ChannelNotes, Ints, without_overlaps
from musictk.rendering.instruments import distance, instrument_name
from musictk.rendering.midi import (
    SectionSpan,
    TimedEvent,
    channel_notes,
    in_order,
    marker_event,
    metre_event,
    note_events,
    opening_events,
)

_LATEST = 32  # notes of a part that say which register it has reached
# What has to be undone where new bars begin, so that they sound as written: controller -> at rest.
_AT_REST = {1: 0, 64: 0, 66: 0, 67: 0}
_FADED = {7: 100, 11: 127}  # volume and expression, where the given part fades out
_SILENT = 16  # such a volume or less
_CENTRE = (0, 64)  # a pitch bend of nothing


@dataclass
class Part:
    """A part of the given file: one channel on one track."""

    track: int
    channel: int
    program: int
    pitches: list[int]

    @property
    def register(self) -> float:
        """The pitch around which its latest notes lie."""
        return float(np.median(self.pitches[-_LATEST:]))


@dataclass(frozen=True)
class JoinPoint:
    """Where new bars begin in a file."""

    tick: int  # a bar line of the file
    quarter: int  # ticks of a quarter note
    metre: tuple[int, int]  # in force there

    def at(self, ticks: Ints, quarter: int) -> Ints:
        """Ticks since the new bars' beginning, at `quarter` a quarter note, in the file's."""
        return self.tick + (2 * ticks * self.quarter + quarter) // (2 * quarter)


def append(
    data: bytes,
    place: JoinPoint,
    new: ScoreTick,
    sections: Sequence[SectionSpan],
    by_program: bool,
) -> bytes:
    """The file `data`, and after its bar line `place` the music of `new`, which begins at tick 0.

    `sections` become markers, in the ticks of `new`; those before its beginning have ticks below 0
    and stand at the file's beginning. The given events are a prefix of each track's, but where they
    go beyond `place`. Raises UsageError for a file of format 2, whose tracks are separate songs.
    """
    file = smf.read(data)
    if file.format == 2:
        raise UsageError(
            "a file of format 2 holds several songs one after the other",
            "save the song to go on from as a file of its own",
        )
    pen = _Continuation(file, place)
    pen.rest()
    pen.play(new, by_program)
    pen.mark(new, sections)
    return smf.dump(pen.file(new, sections))


def parts_of(file: smf.MidiFile) -> list[Part]:
    """The parts of a file that have notes, by track and channel."""
    programs: dict[int, int] = {}
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for index, track in enumerate(file.tracks):
        for tick, message in track:
            kind, channel = message[0] >> 4, message[0] & 15
            if kind == 0xC:
                programs[channel] = message[1]
            elif kind == 0x9 and message[2]:
                found.setdefault((index, channel), []).append((tick, message[1]))
    return [
        Part(track, channel, programs.get(channel, 0), [pitch for _, pitch in notes])
        for (track, channel), notes in found.items()
    ]


class _Continuation:
    """Writes behind a given file."""

    def __init__(self, file: smf.MidiFile, place: JoinPoint) -> None:
        self._given, self._place = file, place
        self._voices = parts_of(file)
        self._new: dict[int, list[TimedEvent]] = {}  # track -> events
        self._used = {
            message[0] & 15
            for track in file.tracks
            for _, message in track
            if 0x80 <= message[0] < 0xF0
        }

    def file(self, new: ScoreTick, sections: Sequence[SectionSpan]) -> smf.MidiFile:
        """All of it."""
        file, last = self._given, max([0, *(section.end for section in sections)])
        end = self._at(last, new)
        count = max([len(file.tracks), *(index + 1 for index in self._new)])
        tracks, ends = [], []
        for index in range(count):
            known = index < len(file.tracks)
            given = file.tracks[index] if known else ()
            events = [*given, *in_order(self._new.get(index, []))]
            events.sort(key=lambda event: event[0])
            tracks.append(tuple(events))
            before = file.ends[index] if known else 0
            ends.append(max(before, end, *(tick for tick, _ in events[-1:]), 0))
        kind = 1 if len(tracks) > 1 else file.format
        return replace(file, format=kind, tracks=tuple(tracks), ends=tuple(ends))

    def rest(self) -> None:
        """End what would go on sounding, or bend and mute the new bars."""
        held: set[tuple[int, int, int]] = set()  # (track, channel, pitch)
        state: dict[tuple[int, int], tuple[int, int]] = {}  # (channel, controller) -> track, value
        bends: dict[int, tuple[int, tuple[int, int]]] = {}
        events = [
            (tick, index, message)
            for index, track in enumerate(self._given.tracks)
            for tick, message in track
            if tick <= self._place.tick
        ]
        for _, index, message in sorted(events, key=lambda event: event[0]):
            kind, channel = message[0] >> 4, message[0] & 15
            if kind == 0x9 and message[2]:
                held.add((index, channel, message[1]))
            elif kind in (0x8, 0x9):  # one release ends all strikes before it
                held.discard((index, channel, message[1]))
            elif kind == 0xB:
                state[channel, message[1]] = index, message[2]
            elif kind == 0xE:
                bends[channel] = index, (message[1], message[2])
        for index, channel, pitch in sorted(held):
            end = min(self._given.ends[index], self._place.tick)
            self._put(index, bytes((0x80 | channel, pitch, 64)), end)
        for (channel, number), (index, value) in state.items():
            rest = _AT_REST.get(number, _FADED.get(number) if value < _SILENT else None)
            if rest is not None and value != rest:
                self._put(index, bytes((0xB0 | channel, number, rest)))
        for channel, (index, bend) in bends.items():
            if bend != _CENTRE:
                self._put(index, bytes((0xE0 | channel, *_CENTRE)))

    def play(self, new: ScoreTick, by_program: bool) -> None:
        """Put the notes of `new` on the parts."""
        quarter = new.ticks_per_quarter
        clock = _Clock(self._place, quarter)
        found = channel_notes(new, [0] * len(new.tracks), clock)
        chosen = np.zeros(len(found.pitch), np.int64)
        for index, track in enumerate(new.tracks):
            mine = np.flatnonzero(found.track == index)
            if len(mine):
                able = self._able(track.program, track.is_drum, by_program)
                far = [np.abs(found.pitch[mine] - voice.register) for voice in able]
                known = np.array([self._voices.index(voice) for voice in able])
                chosen[mine] = known[np.argmin(far, axis=0)]
        channel = np.array([voice.channel for voice in self._voices], np.int64)[chosen]
        columns = (found.start, found.end, found.pitch, found.velocity)
        notes = without_overlaps(ChannelNotes(*columns, channel, chosen))
        for number, voice in enumerate(self._voices):
            mine_only = notes.where(notes.track == number)
            self._new.setdefault(voice.track, []).extend(note_events(mine_only))

    def mark(self, new: ScoreTick, sections: Sequence[SectionSpan]) -> None:
        """Markers, and the metre where it is another than the file's."""
        numerator, denominator = self._place.metre
        for sign in sorted(new.time_signatures, key=lambda sign: sign.time):
            if sign.numerator * denominator != numerator * sign.denominator:
                self._put(
                    0, metre_event(sign.numerator, sign.denominator), self._at(sign.time, new)
                )
            numerator, denominator = sign.numerator, sign.denominator
        for section in sections:
            tick = 0 if section.start < 0 else self._at(section.start, new)
            self._put(0, marker_event(section.label), tick)

    def _able(self, program: int, is_drum: bool, by_program: bool) -> list[Part]:
        """The parts that could play this instrument; a new one where there is none."""
        kind = [voice for voice in self._voices if (voice.channel == DRUM_CHANNEL) == is_drum]
        same = [voice for voice in kind if voice.program == program]
        able = kind if is_drum or not by_program else same
        return able or [self._added(program, is_drum, kind)]

    def _added(self, program: int, is_drum: bool, kind: list[Part]) -> Part:
        free = [DRUM_CHANNEL] if is_drum else [each for each in PITCHED if each not in self._used]
        if not free:  # every channel is taken: the most similar instrument plays it
            return min(kind, key=lambda voice: distance(voice.program, program))
        tracks = len(self._given.tracks)
        index = 0 if self._given.format == 0 else max([tracks, *(n + 1 for n in self._new)])
        voice = Part(index, free[0], program, [60])
        self._used.add(free[0])
        self._voices.append(voice)
        begins = opening_events(instrument_name(program, is_drum), free[0], program)
        kept = begins if index else [(self._place.tick, *event[1:]) for event in begins[1:]]
        self._new.setdefault(index, []).extend(kept)
        return voice

    def _put(self, track: int, message: bytes, tick: int | None = None) -> None:
        self._new.setdefault(track, []).append(
            (self._place.tick if tick is None else tick, 0, message)
        )

    def _at(self, tick: int, new: ScoreTick) -> int:
        return int(self._place.at(np.array(tick), new.ticks_per_quarter))


class _Clock:
    """From the ticks of the new bars to those of the file."""

    def __init__(self, place: JoinPoint, quarter: int) -> None:
        self._place, self._quarter = place, quarter

    def at(self, tick: Ints) -> Ints:
        return self._place.at(tick, self._quarter)
