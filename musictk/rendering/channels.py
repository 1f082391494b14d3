"""Assign a MIDI channel to each track of a piece: never two instruments on one channel.

A MIDI file has sixteen channels, one of them for drums. Up to fifteen pitched tracks get a channel
each. With more, tracks of one instrument share a channel. With more than fifteen instruments, the
one with the fewest notes is replaced by the most similar other one, until fifteen are left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.instruments import distance, instrument_name

DRUM_CHANNEL = 9
PITCHED = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ChannelAssignment:
    """The channel (0–15) and the program (0–127) of a track."""

    channel: int
    program: int


@dataclass(frozen=True)
class ChannelNotes:
    """The notes of all tracks with their channels, (N,) each."""

    start: Ints  # ticks
    end: Ints  # ticks
    pitch: Ints
    velocity: Ints
    channel: Ints
    track: Ints

    def where(self, chosen: Ints | NDArray[np.bool_]) -> ChannelNotes:
        """The notes selected by a mask, (N,), or by indices."""
        columns = (self.start, self.end, self.pitch, self.velocity, self.channel, self.track)
        return ChannelNotes(*(column[chosen] for column in columns))


def assign_channels(score: ScoreTick) -> tuple[list[ChannelAssignment], list[str]]:
    """The channel and program of each track, and notices about replaced instruments."""
    pitched = [track for track in score.tracks if not track.is_drum]
    counts: Counter[int] = Counter()
    for track in pitched:
        counts[track.program] += len(track.notes)
    stand_in = _reduced(counts)
    notices = [
        f"{instrument_name(one)} is played as {instrument_name(other)}"
        for one, other in stand_in.items()
    ]
    if notices:
        notices = [f"{len(counts)} instruments are more than 15 channels: {', '.join(notices)}"]
    programs = [program for program in counts if program not in stand_in]
    own = iter(PITCHED) if len(pitched) <= len(PITCHED) else None
    shared = dict(zip(programs, PITCHED, strict=False))
    kit = next((track.program for track in score.tracks if track.is_drum), 0)
    found = []
    for track in score.tracks:
        program = stand_in.get(track.program, track.program)
        if track.is_drum:
            found.append(ChannelAssignment(DRUM_CHANNEL, kit))
        else:
            found.append(ChannelAssignment(shared[program] if own is None else next(own), program))
    return found, notices


def _reduced(counts: Counter[int]) -> dict[int, int]:
    """The replacement of each replaced program, so that fifteen are left."""
    left = Counter(counts)
    stand_in: dict[int, int] = {}
    while len(left) > len(PITCHED):
        fewest = min(left, key=lambda program: (left[program], program))
        count = left.pop(fewest)
        nearest = min(left, key=lambda program: (*distance(program, fewest), program))
        left[nearest] += count
        stand_in = {one: nearest if to == fewest else to for one, to in stand_in.items()}
        stand_in[fewest] = nearest
    return stand_in


def without_overlaps(sounds: ChannelNotes) -> ChannelNotes:
    """Shorten notes so that no pitch of a channel sounds twice at a time: a note ends where the
    next one of its pitch begins.

    If several begin together, the longest is kept. Every note lasts at least a tick.
    """
    end = np.maximum(sounds.end, sounds.start + 1)
    order = np.lexsort((-end, sounds.start, sounds.pitch, sounds.channel))
    kept = sounds.where(order)
    end = end[order]
    key = kept.channel * 128 + kept.pitch
    fresh = np.append(True, (np.diff(key) != 0) | (np.diff(kept.start) != 0))[: len(key)]
    kept, end, key = kept.where(fresh), end[fresh], key[fresh]
    same = key[1:] == key[:-1]
    end[:-1] = np.where(same, np.minimum(end[:-1], kept.start[1:]), end[:-1])
    return ChannelNotes(kept.start, end, kept.pitch, kept.velocity, kept.channel, kept.track)
