"""Pair note-on and note-off messages into notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList

from musictk.reading.events import Ints
from musictk.reading.messages import ChannelMessages

_SPAN = 1 << 33  # more than any tick


@dataclass(frozen=True)
class Paired:
    """Notes in the order of the file: (N,) each."""

    rows: Ints  # index of each note's note-on message
    start: NDArray[np.int32]
    duration: NDArray[np.int32]
    pitch: NDArray[np.int8]
    velocity: NDArray[np.int8]
    unended: int  # notes that end with their track

    def notes(self, chosen: Any) -> NoteTickList:
        """The chosen notes as a symusic list."""
        return NoteTickList.from_numpy(
            self.start[chosen], self.duration[chosen], self.pitch[chosen], self.velocity[chosen]
        )


def pair_notes(messages: ChannelMessages, ends: Ints) -> Paired:
    """The notes of note-on and note-off messages; `ends` (tracks,) are the end ticks of tracks.

    If every note-on of a pitch of one track and channel has a note-off, they are paired first in,
    first out. Otherwise a note ends at the next note-off or later note-on of its pitch, or with its
    track. A note-off of a pitch that is not sounding is ignored.
    """
    key = _keys(messages)
    order = key.argsort(kind="stable")
    key = key.take(order)
    strikes = (messages.command == 0x9) & (messages.second > 0)
    strike, tick = strikes.take(order), messages.tick.take(order)
    if _alternate(key, strike):
        start, stop, unended = np.arange(0, len(key), 2), tick[1::2], 0
    else:
        kept = ~_orphans(key, strike)
        order, key, strike, tick = order[kept], key[kept], strike[kept], tick[kept]
        ended = ends[messages.part[order] // messages.width]
        start, stop, unended = _match(key, strike, tick, ended)
    until = np.empty_like(messages.tick)
    until[order[start]] = stop
    rows = strikes.nonzero()[0]
    begin = messages.tick.take(rows)
    length = until.take(rows) - begin
    first, second = (
        messages.first.take(rows).view(np.int8),
        messages.second.take(rows).view(np.int8),
    )
    return Paired(rows, begin.astype(np.int32), length.astype(np.int32), first, second, unended)


def _keys(messages: ChannelMessages) -> NDArray[Any]:
    """(N,) one number for each track, channel and pitch, small enough to sort by radix."""
    part = messages.part
    if (highest := int(part.max(initial=0))) >= 512:
        used = np.zeros(highest + 1, np.int64)
        used[part] = 1
        part = (np.cumsum(used) - 1).take(part)
        highest = int(part.max())
    key = part << 7 | messages.first
    return key.astype(np.uint16) if highest < 512 else key


def _alternate(key: NDArray[Any], strike: NDArray[np.bool_]) -> bool:
    """Whether each note-on is followed by its note-off, as in most files."""
    return (
        len(key) % 2 == 0
        and bool(strike[::2].all())
        and not strike[1::2].any()
        and bool((key[::2] == key[1::2]).all())
    )


def _segments(key: NDArray[Any]) -> Ints:
    """(N,) the index of each key's run of equal keys."""
    return np.cumsum(np.append(False, key[1:] != key[:-1])[: len(key)])


def _orphans(key: NDArray[Any], strike: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) releases of a pitch that is not sounding.

    Each lowers the count of sounding notes to a new minimum, below its start.
    """
    segment = _segments(key)
    # Each run of one key begins below the minima of all earlier runs, so that runs are independent.
    base = -segment * (len(key) + 1)
    total = np.cumsum(np.where(strike, 1, -1))
    first = np.append(True, segment[1:] != segment[:-1])[: len(key)]
    before = np.append(0, total)[:-1]
    count = total - before[first][segment] + base
    low = np.minimum.accumulate(np.minimum(count, base))
    previous = np.where(first, base, np.append(0, low)[:-1])
    return ~strike & (count < previous)


def _match(
    key: NDArray[Any], strike: NDArray[np.bool_], tick: Ints, end: Ints
) -> tuple[Ints, Ints, int]:
    """Indices of note-ons, when each ends, and how many end only with their track, at `end`."""
    segment = _segments(key)
    count = int(segment[-1]) + 1 if len(segment) else 0
    struck = np.bincount(segment, strike, count)
    released = np.bincount(segment, ~strike, count)
    even = (struck == released)[segment]
    starts, stops = (strike & even).nonzero()[0], tick[~strike & even]
    odd = (strike & ~even).nonzero()[0]
    if not len(odd):
        return starts, stops, 0
    place = np.where(strike, len(key), np.arange(len(key)))
    release = np.append(np.minimum.accumulate(place[::-1])[::-1], len(key))[odd]
    strikes = strike.nonzero()[0]
    timed = segment[strikes] * _SPAN + tick[strikes]
    again = np.searchsorted(timed, segment[odd] * _SPAN + tick[odd], "right")
    again = np.append(strikes, len(key))[again]
    ended = np.full(len(odd), _SPAN)
    for following in (release, again):
        inside = np.minimum(following, len(key) - 1)
        same = (following < len(key)) & (segment[inside] == segment[odd])
        ended = np.where(same, np.minimum(ended, tick[inside]), ended)
    unended = ended == _SPAN
    ended = np.where(unended, np.maximum(end[odd], tick[odd]), ended)
    return np.append(starts, odd), np.append(stops, ended), int(unended.sum())
