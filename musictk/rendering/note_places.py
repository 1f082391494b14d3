"""Where notes are in a MIDI file, and the tracks and notes of its Score."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.music import Notes
from musictk.rendering import smf
from musictk.rendering.raw_notes import NotePlace, TrackChannel, paired_notes


class PlayedNote(NamedTuple):
    """A note of a file."""

    place: NotePlace
    end: int  # ticks
    velocity: int


def track_channels(score: ScoreTick, data: bytes) -> list[TrackChannel]:
    """The track and channel in the file of each track of its score.

    A score has a track for each program of a channel on a track of the file, in this order.
    """
    file, counts = smf.read(data), Counter[TrackChannel]()
    for index, (events, end) in enumerate(zip(file.tracks, file.ends, strict=True)):
        for note in paired_notes(events, end):
            counts[TrackChannel(index, note.key.channel)] += 1
    places = sorted(counts)
    found: list[TrackChannel] = []
    for track in score.tracks if places else ():
        found.append(places[0])
        counts[places[0]] -= len(track.notes)
        if counts[places[0]] <= 0:
            places = places[1:] or places
    return found


def note_places(score: ScoreTick, data: bytes, found: Notes) -> list[NotePlace]:
    """Where notes of the score are in its file."""
    places = track_channels(score, data)
    columns = (found.track.tolist(), found.start.tolist(), found.pitch.tolist())
    return [
        NotePlace(places[track].track, places[track].channel, start, pitch)
        for track, start, pitch in zip(*columns, strict=True)
    ]


def notes_within(file: smf.MidiFile, start: int, stop: int) -> list[PlayedNote]:
    """The notes that begin between two ticks, by track."""
    return [
        PlayedNote(
            NotePlace(index, note.key.channel, note.start, note.key.pitch),
            note.end,
            events[note.on][1][2],
        )
        for index, events in enumerate(file.tracks)
        for note in paired_notes(events, file.ends[index])
        if start <= note.start < stop
    ]
