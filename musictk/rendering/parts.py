"""Assign new notes to the parts of a MIDI file.

By instrument, if the model represents instruments; then a note that repeats one of the file goes to
its part, and any other by register: to the part whose nearest notes in time are nearest in pitch,
or chord by chord (`musictk.rendering.hands`). So right and left hand keep their own tracks. A part
is added only for an instrument that the file does not have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.instruments import distance, instrument_name
from musictk.rendering import hands, smf
from musictk.rendering.channels import DRUM_CHANNEL, PITCHED, ChannelNotes, without_overlaps
from musictk.rendering.midi import TimedEvent, channel_notes, opening_events
from musictk.rendering.raw_notes import NotePlace, TrackChannel
from musictk.rendering.ticks import TickScale

Ints = NDArray[np.int64]

_NEAREST = 32  # notes of a part, which define its register
_REACH = 8  # of a quarter note: how far a model's grid may move a note from where it was


@dataclass(frozen=True)
class Part:
    """A part of a file: one channel on one track."""

    track: int
    channel: int
    program: int
    is_drum: bool
    register: float  # the median pitch of its notes nearest to the new ones


class Parts:
    """The parts of a file, of which those of `channels` get the new notes (default: all).

    `tick` is where the new notes begin, `drums` are the drum channels of the file.
    """

    def __init__(
        self,
        file: smf.MidiFile,
        tick: int,
        drums: Collection[int],
        channels: Collection[TrackChannel] | None = None,
    ) -> None:
        self._file, self._tick, self._drums = file, tick, drums
        self._fixed = channels is not None
        found = parts_of(file, tick, drums)
        self.known = [
            part
            for part in found
            if channels is None or TrackChannel(part.track, part.channel) in channels
        ]
        self.opened: dict[int, list[TimedEvent]] = {}  # of added parts: track -> its first events
        self._free = free_channels(file, drums)

    def assign(
        self,
        new: ScoreTick,
        scale: TickScale,
        by_program: bool,
        chords: bool = False,
        replaced: Collection[NotePlace] = (),
        repeated: Collection[NotePlace] = (),
    ) -> ChannelNotes:
        """The notes of `new` in ticks of the file, none overlapping its own pitch on its channel.

        Their `track` is an index of `known`. With `chords` they are assigned chord by chord, else
        each by itself. Those of the rhythm of `replaced` are assigned as these are, and each that
        repeats one of `repeated`, at its new tick, as this is.
        """
        found = channel_notes(new, [0] * len(new.tracks), scale)
        chosen = np.zeros(len(found.pitch), np.int64)
        tracks: dict[tuple[int, ...], list[int]] = {}  # by the parts that can play them
        for index, track in enumerate(new.tracks):
            if len(track.notes):
                able = self._able(track.program, track.is_drum, by_program)
                places = tuple(self.known.index(part) for part in able)
                tracks.setdefault(places, []).append(index)
        for places, indices in tracks.items():
            mine = np.flatnonzero(np.isin(found.track, indices))
            same = self._repeated(found.where(mine), places, repeated, scale.target // _REACH)
            chosen[mine[same >= 0]] = same[same >= 0]
            mine = mine[same < 0]
            chosen[mine] = self._divided(found.where(mine), places, chords, replaced)
        channel = np.array([part.channel for part in self.known], np.int64)[chosen]
        return without_overlaps(replace(found, channel=channel, track=chosen))

    def _divided(
        self,
        new: ChannelNotes,
        places: tuple[int, ...],
        chords: bool,
        replaced: Collection[NotePlace],
    ) -> Ints:
        """(N,) the part of each note: one of `places`, indices of `known`."""
        old = self._columns(replaced, places)
        if old.size:
            return hands.replace(new.start, new.pitch, *old)
        able = [self.known[place] for place in places]
        registers = [part.register for part in able]
        if chords and not able[0].is_drum:  # the notes of drums are no chords
            found = hands.divide(new.start, new.pitch, registers)
        else:
            found = np.argmin(np.abs(new.pitch - np.array(registers)[:, None]), axis=0)
        return np.array(places, np.int64)[found]

    def _repeated(
        self,
        new: ChannelNotes,
        places: tuple[int, ...],
        repeated: Collection[NotePlace],
        reach: int,
    ) -> Ints:
        """(N,) the part of the note that each repeats, if it is one of `places`; else -1."""
        old = self._columns(repeated, places)
        return hands.repeat(new.start, new.pitch, *old, reach=reach)

    def _columns(self, notes: Collection[NotePlace], places: tuple[int, ...]) -> Ints:
        """(3, M) the onset, the pitch and the part of the notes of some parts."""
        parts = {TrackChannel(self.known[at].track, self.known[at].channel): at for at in places}
        rows = [
            (note.start, note.pitch, parts[place])
            for note in notes
            if (place := TrackChannel(note.track, note.channel)) in parts
        ]
        return np.array(rows, np.int64).reshape(-1, 3).T

    def _able(self, program: int, is_drum: bool, by_program: bool) -> list[Part]:
        """The parts that can play this instrument; a new one if there is none."""
        kind = [part for part in self.known if part.is_drum == is_drum]
        same = [part for part in kind if part.program == program]
        able = kind if is_drum or not by_program else same
        if self._fixed:
            return able or kind or self.known
        return able or [self._added(program, is_drum, kind)]

    def _added(self, program: int, is_drum: bool, kind: list[Part]) -> Part:
        if not is_drum and not self._free:  # the most similar instrument plays it
            return min(kind, key=lambda part: distance(part.program, program))
        channel = drum_channel(self._drums) if is_drum else self._free.pop(0)
        tracks = len(self._file.tracks)
        index = 0 if self._file.format == 0 else max([tracks, *(n + 1 for n in self.opened)])
        part = Part(index, channel, program, is_drum, 60.0)
        self.known.append(part)
        begins = opening_events(instrument_name(program, is_drum), channel, program)
        kept = begins if index else [(self._tick, *event[1:]) for event in begins[1:]]
        self.opened.setdefault(index, []).extend(kept)
        return part


def drum_channel(drums: Collection[int]) -> int:
    """The channel for new drums: channel 10, unless the file has them on others only."""
    return DRUM_CHANNEL if DRUM_CHANNEL in drums else min(drums, default=DRUM_CHANNEL)


def free_channels(file: smf.MidiFile, drums: Collection[int]) -> list[int]:
    """The channels (from 0) for another instrument: first those without an event, then those
    without a note."""
    messages = [
        message for track in file.tracks for _, message in track if 0x80 <= message[0] < 0xF0
    ]
    used = {message[0] & 15 for message in messages}
    played = {message[0] & 15 for message in messages if message[0] >> 4 == 0x9 and message[2]}
    free = [channel for channel in PITCHED if channel not in played and channel not in drums]
    return sorted(free, key=lambda channel: channel in used)


def parts_of(file: smf.MidiFile, tick: int, drums: Collection[int]) -> list[Part]:
    """The parts of a file that have notes, in the order of their first notes by track.

    Each has its program at `tick`, or, if it begins later, that of its first notes.
    """
    own: dict[TrackChannel, list[tuple[int, int]]] = {}
    shared: dict[int, list[tuple[int, int]]] = {}  # channel -> the changes of all tracks
    found: dict[TrackChannel, list[tuple[int, int]]] = {}
    for index, track in enumerate(file.tracks):
        for time, message in track:
            kind, place = message[0] >> 4, TrackChannel(index, message[0] & 15)
            if kind == 0xC:
                own.setdefault(place, []).append((time, message[1]))
                shared.setdefault(place.channel, []).append((time, message[1]))
            elif kind == 0x9 and message[2]:
                found.setdefault(place, []).append((time, message[1]))
    parts = []
    for place, played in found.items():
        # As read: a track without changes has those of its channel on other tracks.
        changes = own.get(place, shared.get(place.channel, []))
        program = _program(changes, [time for time, _ in played], tick)
        is_drum = place.channel in drums
        parts.append(Part(*place, program, is_drum, _register(played, tick)))
    return parts


def _program(changes: list[tuple[int, int]], onsets: list[int], tick: int) -> int:
    """The program at a tick after some changes (tick, program); 0 before the first of them."""
    first = onsets[0]
    ordered = sorted(changes, key=lambda change: change[0])
    known = [program for time, program in ordered if time <= max(tick, first)]
    if not known and tick <= first:  # a first change that comes a little late
        second = next((onset for onset in onsets if onset > first), first)
        known = [program for time, program in ordered if time < second][:1]
    return known[-1] if known else 0


def _register(played: list[tuple[int, int]], tick: int) -> float:
    latest = played[::-1]  # of notes at one tick the last in the file counts
    nearest = sorted(latest, key=lambda note: abs(note[0] - tick))[:_NEAREST]
    return float(np.median([pitch for _, pitch in nearest]))
