"""Write MIDI files, with a marker event at the beginning of each section.

A conductor track with tempo, metre, key and markers comes first, then a track for each part, named
after its General MIDI instrument if it has no name.
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
from musictk.instruments import instrument_name
from musictk.music import DEFAULT_TEMPO
from musictk.reading import meta
from musictk.rendering import smf
from musictk.rendering.channels import (
    ChannelAssignment,
    ChannelNotes,
    assign_channels,
    without_overlaps,
)
from musictk.rendering.ticks import TickScale

QUARTER = 480  # ticks of a quarter note in a generated file
_COARSE = 96  # ticks per quarter below which times are converted to QUARTER
_PLACEHOLDER = re.compile(r"(Piano|Drums|Part -?\d+)?")  # track names set by tokenizers
_LAST = 1 << 27  # ticks; a delta time holds 28 bits

# The order of events at one tick: set-up comes before notes, and note-offs before note-ons.
_SETUP, _OFF, _CONTROL, _ON = range(4)


Mark = tuple[int, str]  # the tick of a marker, and its text


class SectionSpan(NamedTuple):
    """A section of a piece, in ticks."""

    label: str
    start: int  # tick of its first bar
    end: int  # tick after its last bar


def write(score: ScoreTick, sections: Iterable[SectionSpan], path: Path) -> list[str]:
    """Write a MIDI file atomically; `sections` become its marker events.

    Without sections the markers of the score are written. Returns notices about what a MIDI file
    cannot represent. Raises MusictkError where the file cannot be written.
    """
    data, notices = dump(score, sections)
    write_bytes(path, data)
    return notices


def dump(score: ScoreTick, sections: Iterable[SectionSpan] = ()) -> tuple[bytes, list[str]]:
    """The bytes that `write` writes, and its notices."""
    sections = list(sections)
    scale = _file_ticks(score.ticks_per_quarter)
    chosen, notices = assign_channels(score)
    sounds = without_overlaps(
        channel_notes(score, [assignment.channel for assignment in chosen], scale)
    )
    end = max(int(sounds.end.max(initial=0)), *(scale(section.end) for section in sections), 0)
    tracks = [conductor_events(score, sections, scale)]
    for index, (track, assignment) in enumerate(zip(score.tracks, chosen, strict=True)):
        notes = sounds.where(sounds.track == index)
        tracks.append(
            [
                *_track_opening(track, assignment),
                *_control_events(track, assignment, scale),
                *note_events(notes),
            ]
        )
    # Of a track without notes and controllers there is only the opening: it is left out.
    tracks = [tracks[0], *(track for track in tracks[1:] if len(track) > 2)]
    ordered = tuple(tuple(in_order(track)) for track in tracks)
    ends = (end, *(max(end, track[-1][0]) for track in ordered[1:]))
    return smf.dump(smf.MidiFile(1, scale.target, ordered, ends)), notices


def markers(score: ScoreTick) -> list[Mark]:
    """The markers of a score by tick; those of one tick in the order of the file."""
    found = [(int(marker.time), printable(marker.text)) for marker in score.markers]
    return sorted(found, key=lambda mark: mark[0])


def sections(score: ScoreTick, marks: Sequence[Mark] | None = None) -> list[SectionSpan]:
    """The sections of a score by markers, its own by default: each up to the next or the end.

    Of several at one tick the last: musictk writes its own after those of a given file.
    """
    marks = markers(score) if marks is None else marks
    if not marks:
        return []
    end = max(int(score.end()), marks[-1][0] + 1)
    stops = [time for time, _ in marks[1:]] + [end]
    return [
        SectionSpan(text, start, stop)
        for (start, text), stop in zip(marks, stops, strict=True)
        if stop > start
    ]


def labels(sections: Sequence[SectionSpan]) -> list[str]:
    """The distinct labels in order of appearance; the n-th has the n-th colour."""
    return list(dict.fromkeys(section.label for section in sections))


def printable(text: str) -> str:
    """The text without control characters."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "C")


class _FileTicks(TickScale):
    """Ticks of a score to those of a written file, within the range of a delta time."""

    def __call__(self, ticks: Any) -> Any:
        return np.clip(super().__call__(ticks), 0, _LAST)


def _file_ticks(quarter: int) -> _FileTicks:
    """From `quarter` ticks per quarter to those of the file: QUARTER for a coarse resolution."""
    coarse = quarter < _COARSE or QUARTER % quarter == 0
    return _FileTicks(quarter, QUARTER if coarse else quarter)


TimedEvent = tuple[int, int, bytes]  # tick, order within the tick, message


def in_order(events: Iterable[TimedEvent]) -> list[smf.Event]:
    """Events ordered by tick, and within one tick by their order."""
    ordered = sorted(events, key=lambda event: event[:2])
    return [(tick, message) for tick, _, message in ordered]


def channel_notes(score: ScoreTick, channels: Sequence[int], scale: TickScale) -> ChannelNotes:
    """The notes of all tracks, in ticks of the file."""
    columns: list[list[Any]] = [[np.zeros(0, np.int64)] for _ in range(6)]
    for index, (track, channel) in enumerate(zip(score.tracks, channels, strict=True)):
        notes = {key: value.astype(np.int64) for key, value in track.notes.numpy().items()}
        start, size = notes["time"], len(notes["time"])
        found = (
            scale(start),
            scale(start + notes["duration"]),
            notes["pitch"] & 0x7F,
            np.clip(notes["velocity"], 1, 127),
            np.full(size, channel),
            np.full(size, index),
        )
        for column, values in zip(columns, found, strict=True):
            column.append(values)
    return ChannelNotes(*(np.concatenate(column) for column in columns))


def note_events(notes: ChannelNotes) -> list[TimedEvent]:
    """The note-on and note-off events of notes."""
    events: list[TimedEvent] = []
    columns = (notes.start, notes.end, notes.pitch, notes.velocity, notes.channel)
    for start, end, pitch, velocity, channel in zip(*(c.tolist() for c in columns), strict=True):
        events.append((start, _ON, bytes((0x90 | channel, pitch, velocity))))
        events.append((end, _OFF, bytes((0x80 | channel, pitch, 64))))
    return events


def conductor_events(
    score: ScoreTick, sections: Iterable[SectionSpan], scale: TickScale
) -> list[TimedEvent]:
    """The events of the conductor track: tempo and metre from tick 0, keys and markers."""
    tempos, metres = list(score.tempos), list(score.time_signatures)
    if not any(tempo.time <= 0 for tempo in tempos):
        tempos.insert(0, TempoTick(0, mspq=DEFAULT_TEMPO))
    if not any(sign.time <= 0 for sign in metres):
        metres.insert(0, TimeSignatureTick(0, 4, 4))
    marks = [(section.start, section.label) for section in sections]
    marks = marks or [(marker.time, marker.text) for marker in score.markers]
    found = [(sign.time, metre_event(sign.numerator, sign.denominator)) for sign in metres]
    found += [(tempo.time, tempo_event(tempo.mspq)) for tempo in tempos]
    found += [(key.time, key_event(key.key, key.tonality)) for key in score.key_signatures]
    found += [(tick, marker_event(label)) for tick, label in marks]
    return [(int(scale(tick)), _SETUP, message) for tick, message in found]


def metre_event(numerator: int, denominator: int) -> bytes:
    """A time signature event, with a metronome click each quarter note."""
    power = max(denominator.bit_length() - 1, 0)
    return smf.meta_event(meta.METRE, bytes((min(max(numerator, 1), 255), power, 24, 8)))


def tempo_event(micros: int) -> bytes:
    """A tempo event; `micros` per quarter note."""
    return smf.meta_event(meta.TEMPO, min(max(int(micros), 1), 0xFFFFFF).to_bytes(3))


def key_event(sharps: int, minor: int) -> bytes:
    """A key signature event."""
    return smf.meta_event(meta.KEY, bytes((sharps & 0xFF, int(minor == 1))))


def marker_event(label: str) -> bytes:
    """A marker event with the name of a section."""
    return smf.text_event(meta.MARKER, printable(label))


def opening_events(name: str, channel: int, program: int) -> list[TimedEvent]:
    """The events at the beginning of a new track: its name and its program."""
    return [
        (0, _SETUP, smf.text_event(meta.NAME, name)),
        (0, _SETUP, bytes((0xC0 | channel, program & 0x7F))),
    ]


def _track_opening(track: TrackTick, assignment: ChannelAssignment) -> list[TimedEvent]:
    own = "" if _PLACEHOLDER.fullmatch(track.name) else printable(track.name)
    return opening_events(
        own or instrument_name(assignment.program, track.is_drum),
        assignment.channel,
        assignment.program,
    )


def _control_events(
    track: TrackTick, assignment: ChannelAssignment, scale: TickScale
) -> list[TimedEvent]:
    """Controller, pedal, pitch bend and lyric events."""
    channel = assignment.channel
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
    found += [
        (each.time, _SETUP, smf.text_event(meta.LYRIC, printable(each.text)))
        for each in track.lyrics
    ]
    return [(int(scale(tick)), kind, message) for tick, kind, message in found]
