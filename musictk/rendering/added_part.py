"""Add new parts to a MIDI file, whose own events are kept byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from symusic.core import ScoreTick

from musictk.instruments import distance, instrument_name
from musictk.reading.limits import Limits
from musictk.reading.read import read_drum_channels
from musictk.rendering import smf
from musictk.rendering.channels import without_overlaps
from musictk.rendering.kept_notes import add_notes, clear_of, sounding_notes
from musictk.rendering.midi import channel_notes, in_order, note_events, opening_events
from musictk.rendering.parts import drum_channel, free_channels, parts_of
from musictk.rendering.ticks import TickScale


@dataclass(frozen=True)
class WithTracks:
    """A file with new tracks, and what differs from the new music."""

    data: bytes
    notices: list[str]
    left_out: int  # new notes whose pitch another track plays on their channel


def add_tracks(data: bytes, new: ScoreTick) -> WithTracks:
    """The file with a track for each track of `new`, which is in ticks of the file.

    A track is named after its instrument and has a channel of its own; drums are on the drum
    channel of the file. With no channel left it is played by the most similar instrument of the
    file, as the notices say. On a channel that it shares, a new note ends before a note of its
    pitch begins, and is left out while one sounds. Without a note that is left there is no track.
    Raises UsageError for a file of format 2, whose tracks are separate songs.
    """
    file = smf.read_song(data, "save the song as a separate file")
    drums = read_drum_channels(data, Limits())
    free, known = iter(free_channels(file, drums)), parts_of(file, 0, drums)
    tracks, ends, notices = list(file.tracks), list(file.ends), []
    sounding, left_out, empty = sounding_notes(file), 0, list[str]()
    for index, track in enumerate(new.tracks):
        name = instrument_name(track.program, track.is_drum)
        channel = drum_channel(drums) if track.is_drum else next(free, None)
        shared = channel is None or channel in {part.channel for part in known}
        instead = name
        if channel is None:
            pitched = [part for part in known if not part.is_drum]
            near = min(pitched, key=lambda part: distance(part.program, track.program))
            channel, instead = near.channel, instrument_name(near.program)
        found = channel_notes(new, [channel] * len(new.tracks), TickScale(1, 1))
        own = without_overlaps(found.where(np.flatnonzero(found.track == index)))
        # The new track is the last: of one tick, its note-offs come after all note-ons.
        played = clear_of(own, sounding, rest=1)
        left_out += len(own.start) - len(played.start)
        if not len(played.start):
            empty.append(name)
            continue
        if instead != name:
            notices.append(f"all channels are used: {name} is played as {instead}")
        opening = opening_events(name, channel, track.program)
        events = in_order([*(opening[:1] if shared else opening), *note_events(played)])
        tracks.append(tuple(events))
        ends.append(int(played.end.max(initial=0)))
        add_notes(sounding, tracks[-1], ends[-1])
    if len(tracks) == len(file.tracks) or empty:
        missing = " and ".join(empty) or "the new part"
        notices.append(f"no note of {missing} is left: no track is added for it")
    kind = 1 if len(tracks) > 1 else file.format
    made = replace(file, format=kind, tracks=tuple(tracks), ends=tuple(ends))
    return WithTracks(smf.dump(made), notices, left_out)
