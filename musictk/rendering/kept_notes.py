"""Keep new notes away from the notes of a file that they would end or strike again."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from musictk.rendering import smf
from musictk.rendering.channels import ChannelNotes
from musictk.rendering.raw_notes import NoteKey, paired_notes

Sounding = dict[NoteKey, list[tuple[int, int]]]  # (start, end) of its notes in order


def sounding_notes(file: smf.MidiFile) -> Sounding:
    """When each pitch of a channel sounds, on any track."""
    found: Sounding = {}
    for events, end in zip(file.tracks, file.ends, strict=True):
        add_notes(found, events, end)
    return found


def add_notes(sounding: Sounding, events: Sequence[smf.Event], end: int) -> None:
    """Add the notes of a track, which ends at the tick `end`."""
    for note in paired_notes(events, end):
        insort(sounding.setdefault(note.key, []), (note.start, max(note.end, note.start + 1)))


def clear_of(notes: ChannelNotes, sounding: Sounding, rest: int = 0) -> ChannelNotes:
    """The notes, shortened or left out so that none meets a note of `sounding`.

    A note ends `rest` ticks before such a note of its pitch and channel begins, and is left out if
    it begins while one sounds.
    """
    end, kept = notes.end.copy(), np.ones(len(notes.start), np.bool_)
    columns = (notes.start, notes.end, notes.channel, notes.pitch)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for index, (start, stop, channel, pitch) in enumerate(rows):
        spans = sounding.get(NoteKey(channel, pitch), [])
        at = bisect_right(spans, (start, 1 << 62))
        if at < len(spans) and stop > spans[at][0] - rest:
            end[index] = spans[at][0] - rest
        kept[index] = end[index] > start and not any(last > start for _, last in spans[:at])
    return replace(notes, end=end).where(kept)
