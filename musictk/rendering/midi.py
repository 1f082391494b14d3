"""MIDI files with their form written in: a marker event where each section begins.

One conductor_events track with tempo, metre, key and markers comes first, then a track for each part,
named after its instrument in General MIDI where it has no name of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.files import write_bytes
from musictk.rendering import smf
from musictk.rendering.channels import (
    ChannelAssignment,
    ChannelNotes,
    assign_channels,
    without_overlaps,
)
from musictk.rendering.instruments import instrument_name

QUARTER = 480  # ticks of a quarter note in a generated file
_COARSE = 96  # below so many ticks a quarter note, times are rounded to QUARTER
_PLACEHOLDER = re.compile(r"(Piano|Drums|Part -?\d+)?")  # what tokenizers call their tracks
_LAST = 1 << 27  # ticks; a delta time holds 28 bits

# Where several events stand at one tick: what a note needs is there before it, and a note that ends
# makes room for the one that begins.
_SETUP, _OFF, _CONTROL, _ON = range(4)


class SectionSpan(NamedTuple):
    """A stretch of a piece that its form names."""

    label: str
    start: int  # tick of its first bar
    end: int  # tick just after its last bar


def write(score: ScoreTick, sections: Iterable[SectionSpan], path: Path) -> list[str]:
    """Write a MIDI file, wholly or not at all; `sections` become its marker events.

    Without sections the score's own markers stay. The score itself is left as it is. Returns in
    words what a MIDI file could not hold.
    """
    data, notices = dump(score, sections)
    write_bytes(path, data)
    return notices


def dump(score: ScoreTick, sections: Iterable[SectionSpan] = ()) -> tuple[bytes, list[str]]:
    """The bytes of `write`, and its notices."""
    sections = list(sections)
    clock = _Clock(score.ticks_per_quarter)
    chosen, notices = assign_channels(score)
    sounds = without_overlaps(channel_notes(score, [seat.channel for seat in chosen], clock))
    end = max(
        int(sounds.end.max(initial=0)), *(clock.at(section.end) for section in sections), 0, 0
    )
    tracks = [conductor_events(score, sections, clock)]
    for index, (track, seat) in enumerate(zip(score.tracks, chosen, strict=True)):
        notes = sounds.where(sounds.track == index)
        tracks.append([*_opening(track, seat), *_gestures(track, seat, clock), *note_events(notes)])
    # Tracks that hold no note are of no use beside the conductor_events.
    tracks = [tracks[0], *(track for track in tracks[1:] if len(track) > 2)]
    ordered = tuple(tuple(in_order(track)) for track in tracks)
    ends = (end, *(max(end, track[-1][0]) for track in ordered[1:]))
    return smf.dump(smf.MidiFile(1, clock.quarter, ordered, ends)), notices


def sections(score: ScoreTick) -> list[SectionSpan]:
    """The sections a score's markers name, each lasting until the next or the end of the piece."""
    markers = sorted((int(marker.time), marker.text) for marker in score.markers)
    if not markers:
        return []
    end = max(int(score.end()), markers[-1][0] + 1)
    stops = [time for time, _ in markers[1:]] + [end]
    return [
        SectionSpan(printable(text), start, stop)
        for (start, text), stop in zip(markers, stops, strict=True)
        if stop > start
    ]


def labels(sections: Sequence[SectionSpan]) -> list[str]:
    """The distinct labels, in order of appearance: the n-th has the n-th colour everywhere."""
    return list(dict.fromkeys(section.label for section in sections))


def printable(text: str) -> str:
    """Without control characters, which a file from elsewhere may hold."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "C")


class _Clock:
    """From the ticks of a score to those of the file."""

    def __init__(self, quarter: int) -> None:
        coarse = quarter < _COARSE or QUARTER % quarter == 0
        self._from, self.quarter = quarter, QUARTER if coarse else quarter

    def at(self, tick: Any) -> Any:
        return np.clip((2 * tick * self.quarter + self._from) // (2 * self._from), 0, _LAST)


TimedEvent = tuple[int, int, bytes]  # tick, what it is among those of its tick, message


def in_order(events: Iterable[TimedEvent]) -> list[smf.Event]:
    """Events by tick, and within one tick in the order in which they have to take effect."""
    ordered = sorted(events, key=lambda event: event[:2])
    return [(tick, message) for tick, _, message in ordered]


def channel_notes(score: ScoreTick, channels: Sequence[int], clock: Any) -> ChannelNotes:
    """The notes of all tracks, at the ticks of the file."""
    columns: list[list[Any]] = [[np.zeros(0, np.int64)] for _ in range(6)]
    for index, (track, channel) in enumerate(zip(score.tracks, channels, strict=True)):
        notes = {key: value.astype(np.int64) for key, value in track.notes.numpy().items()}
        start, size = notes["time"], len(notes["time"])
        found = (
            clock.at(start),
            clock.at(start + notes["duration"]),
            notes["pitch"] & 0x7F,
            np.clip(notes["velocity"], 1, 127),
            np.full(size, channel),
            np.full(size, index),
        )
        for column, values in zip(columns, found, strict=True):
            column.append(values)
    return ChannelNotes(*(np.concatenate(column) for column in columns))


def note_events(notes: ChannelNotes) -> list[TimedEvent]:
    """Note-ons and note-offs."""
    events: list[TimedEvent] = []
    columns = (notes.start, notes.end, notes.pitch, notes.velocity, notes.channel)
    for start, end, pitch, velocity, channel in zip(*(c.tolist() for c in columns), strict=True):
        events.append((start, _ON, bytes((0x90 | channel, pitch, velocity))))
        events.append((end, _OFF, bytes((0x80 | channel, pitch, 64))))
    return events


def conductor_events(
    score: ScoreTick, sections: Iterable[SectionSpan], clock: Any
) -> list[TimedEvent]:
    """Tempo and metre from tick 0, keys and markers."""
    tempos, metres = list(score.tempos), list(score.time_signatures)
    if not any(tempo.time <= 0 for tempo in tempos):
        tempos.insert(0, TempoTick(0, 120.0))
    if not any(sign.time <= 0 for sign in metres):
        metres.insert(0, TimeSignatureTick(0, 4, 4))
    marks = [(section.start, section.label) for section in sections]
    marks = marks or [(marker.time, marker.text) for marker in score.markers]
    found = [(sign.time, metre_event(sign.numerator, sign.denominator)) for sign in metres]
    found += [(tempo.time, tempo_event(tempo.mspq)) for tempo in tempos]
    found += [(key.time, key_event(key.key, key.tonality)) for key in score.key_signatures]
    found += [(tick, marker_event(label)) for tick, label in marks]
    return [(int(clock.at(tick)), _SETUP, message) for tick, message in found]


def metre_event(numerator: int, denominator: int) -> bytes:
    """A time signature; a metronome that clicks each quarter note."""
    power = max(denominator.bit_length() - 1, 0)
    return smf.meta(0x58, bytes((min(max(numerator, 1), 255), power, 24, 8)))


def tempo_event(micros: int) -> bytes:
    """A tempo, in microseconds per quarter note."""
    return smf.meta(0x51, min(max(int(micros), 1), 0xFFFFFF).to_bytes(3))


def key_event(sharps: int, minor: int) -> bytes:
    """A key signature."""
    return smf.meta(0x59, bytes((sharps & 0xFF, int(minor == 1))))


def marker_event(label: str) -> bytes:
    """A marker: the name of a section."""
    return smf.text(6, printable(label))


def opening_events(name: str, channel: int, program: int) -> list[TimedEvent]:
    """What a new track begins with: its name and its instrument."""
    return [
        (0, _SETUP, smf.text(3, name)),
        (0, _SETUP, bytes((0xC0 | channel, program & 0x7F))),
    ]


def _opening(track: TrackTick, seat: ChannelAssignment) -> list[TimedEvent]:
    own = "" if _PLACEHOLDER.fullmatch(track.name) else printable(track.name)
    return opening_events(
        own or instrument_name(seat.program, track.is_drum), seat.channel, seat.program
    )


def _gestures(track: TrackTick, seat: ChannelAssignment, clock: _Clock) -> list[TimedEvent]:
    """Controllers, pedal, pitch bend and lyrics."""
    channel = seat.channel
    controls = [(each.time, each.number, each.value) for each in track.controls]
    if not any(number == 64 for _, number, _ in controls):
        for pedal in track.pedals:
            controls += [(pedal.time, 64, 127), (pedal.time + pedal.duration, 64, 0)]
    found = [
        (tick, _CONTROL, bytes((0xB0 | channel, number & 0x7F, value & 0x7F)))
        for tick, number, value in controls
    ]
    for bend in track.pitch_bends:
        value = min(max(bend.value + 8192, 0), 16383)
        found.append((bend.time, _CONTROL, bytes((0xE0 | channel, value & 0x7F, value >> 7))))
    found += [(each.time, _SETUP, smf.text(5, printable(each.text))) for each in track.lyrics]
    return [(int(clock.at(tick)), kind, message) for tick, kind, message in found]
