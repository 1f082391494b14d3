"""Add new parts to a MIDI file, whose own events are kept byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.instruments import distance, instrument_name
from musictk.reading.limits import Limits
from musictk.reading.read import read_drum_channels
from musictk.rendering import smf
from musictk.rendering.channels import without_overlaps
from musictk.rendering.midi import channel_notes, in_order, note_events, opening_events
from musictk.rendering.parts import drum_channel, free_channels, parts_of
from musictk.rendering.ticks import TickScale


def add_tracks(data: bytes, new: ScoreTick) -> tuple[bytes, list[str]]:
    """The file with a track for each track of `new`, which is in ticks of the file.

    A track is named after its instrument and has a channel of its own; drums are on the drum
    channel of the file. With no channel left it is played by the most similar instrument of the
    file, as the notices say. Raises UsageError for a file of format 2, whose tracks are separate
    songs.
    """
    file = smf.read(data)
    if file.format == 2:
        raise UsageError(
            "a file of format 2 has several songs one after the other",
            "save the song as a separate file",
        )
    drums = read_drum_channels(data, Limits())
    free, known = iter(free_channels(file, drums)), parts_of(file, 0, drums)
    tracks, ends, notices = list(file.tracks), list(file.ends), []
    for index, track in enumerate(new.tracks):
        name = instrument_name(track.program, track.is_drum)
        channel = drum_channel(drums) if track.is_drum else next(free, None)
        shared = channel is None or channel in {part.channel for part in known}
        if channel is None:
            pitched = [part for part in known if not part.is_drum]
            near = min(pitched, key=lambda part: distance(part.program, track.program))
            channel = near.channel
            notices.append(
                f"all channels are used: {name} is played as {instrument_name(near.program)}"
            )
        found = channel_notes(new, [channel] * len(new.tracks), TickScale(1, 1))
        own = without_overlaps(found.where(np.flatnonzero(found.track == index)))
        opening = opening_events(name, channel, track.program)
        played = [*(opening[:1] if shared else opening), *note_events(own)]
        tracks.append(tuple(in_order(played)))
        ends.append(int(max([0, *own.end.tolist()])))
    kind = 1 if len(tracks) > 1 else file.format
    return smf.dump(replace(file, format=kind, tracks=tuple(tracks), ends=tuple(ends))), notices
