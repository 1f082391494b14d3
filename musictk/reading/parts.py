"""The tracks of a Score: one for each track, channel and program of a file that has notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from symusic.core import (
    ControlChangeTickList,
    PedalTickList,
    PitchBendTickList,
    TextMetaTick,
    TrackTick,
)

from musictk.reading import meta
from musictk.reading.events import Events, Ints
from musictk.reading.messages import ChannelMessages, channel_messages
from musictk.reading.pairing import pair_notes
from musictk.reading.percussion import drum_channels
from musictk.reading.text import text_decoder

TEXTS = frozenset({meta.NAME, meta.LYRIC, meta.MARKER})
_PEDAL = 64  # controller number
_FEW = 64  # program changes that are set one by one


def build_tracks(events: Events, offsets: Ints, repairs: list[str]) -> list[TrackTick]:
    """The tracks in the order of the file; descriptions of repairs are appended to `repairs`."""
    messages = channel_messages(events, offsets)
    ends, width = events.ends + offsets, messages.width
    group = _groups(messages, events.chunks.format)
    played = (messages.command <= 0x9).nonzero()[0]
    only = len(played) == len(messages)
    paired = pair_notes(messages if only else messages.take(played), ends)
    if paired.unended:
        repairs.append(f"{paired.unended} notes never end")
    found = _members(group.take(paired.rows if only else played.take(paired.rows)))
    drums = drum_channels(events.specials, messages)
    texts = _Texts(events, offsets)
    made = {
        key: TrackTick(texts.name((key >> 7) // width), key & 0x7F, (key >> 7) % width in drums)
        for key in found
    }
    for key, track in made.items():
        track.notes = paired.notes(found[key])
    if not only:
        _controls(made, messages, group, ends)
    texts.lyrics(made, width)
    return [track for _, track in sorted(made.items())]


def _groups(messages: ChannelMessages, kind: int) -> Ints:
    """(N,) the group of each message: part << 7 | the program in effect at that message."""
    part = messages.part
    changes = (messages.command == 0xC).nonzero()[0]
    if not len(changes):
        return part << 7
    program = np.zeros(len(messages), np.int64)
    if len(changes) <= _FEW:
        stops = part.searchsorted((part[changes] // messages.width + 1) * messages.width)
        for change, stop in zip(changes.tolist(), stops.tolist(), strict=True):  # of its track
            here = part[change:stop] == part[change]
            np.copyto(program[change:stop], messages.first[change], where=here, casting="unsafe")
    else:
        own = _latest(part[changes], changes, part, np.arange(len(messages)))
        program = np.where(own >= 0, messages.first[changes[own]], 0).astype(np.int64)
    lone = set(_distinct(part)) - set(part[changes].tolist())
    if lone and kind != 2:
        by_time = changes[np.argsort(messages.tick[changes], kind="stable")]
        here = np.flatnonzero(np.isin(part, list(lone)))
        others = _latest(
            part[by_time] % messages.width,
            messages.tick[by_time],
            part[here] % messages.width,
            messages.tick[here],
        )
        program[here] = np.where(others >= 0, messages.first[by_time[others]], 0)
    return part << 7 | program


def _latest(keys: Ints, times: Ints, key: Ints, time: Ints) -> Ints:
    """(N,) index of the last of (keys, times) that has `key` and is not later than `time`; else -1.

    Of several equal ones the last counts.
    """
    span = 1 << 34  # more than any tick or count of events
    ranked = keys * span + times
    order = np.argsort(ranked, kind="stable")
    index = np.searchsorted(ranked[order], key * span + time, "right") - 1
    latest = order[np.maximum(index, 0)]
    return np.where((index >= 0) & (keys[latest] == key), latest, -1)


def _members(group: Ints) -> dict[int, slice | Ints]:
    """Each distinct value, ascending, and its indices: a slice where they are contiguous."""
    if not len(group):
        return {}
    keys, places = _runs(group)
    if len(set(keys)) < len(keys):
        small = group.astype(np.uint16) if max(keys) < 1 << 16 else group  # sorted by radix
        order = small.argsort(kind="stable")
        keys, places = _runs(group[order])
        return {key: order[place] for key, place in zip(keys, places, strict=True)}
    return dict(sorted(zip(keys, places, strict=True), key=lambda row: row[0]))


def _runs(group: Ints) -> tuple[list[int], list[slice]]:
    """The value of each run of equal values, and the slice of the run."""
    inner = (group[1:] != group[:-1]).nonzero()[0]
    inner += 1
    edges = [0, *inner.tolist()]
    return group.take(edges).tolist(), list(map(slice, edges, [*edges[1:], len(group)]))


def _distinct(values: Ints) -> list[int]:
    """The distinct values, none below 0."""
    seen = np.zeros(int(values.max(initial=0)) + 1, np.bool_)
    seen[values] = True
    return seen.nonzero()[0].tolist()


def _controls(
    made: dict[int, TrackTick], messages: ChannelMessages, group: Ints, ends: Ints
) -> None:
    """Add controllers, pedals and pitch bends to the tracks whose notes they affect.

    If no track has their program, they are added to another track of their channel, or dropped if
    there is none.
    """
    width = messages.width
    by_part = _firsts(made, lambda key: key >> 7)
    by_channel = _firsts(made, lambda key: (key >> 7) % width)
    for command, put in ((0xB, _put_controls), (0xE, _put_bends)):
        here = (messages.command == command).nonzero()[0]
        rows: dict[int, list[Ints]] = {}
        for key, places in _members(group[here]).items():
            part = key >> 7
            home = key if key in made else by_part.get(part, by_channel.get(part % width))
            if home is not None:
                rows.setdefault(home, []).append(here[places])
        for home, found in rows.items():
            chosen = found[0]
            if len(found) > 1:
                chosen = np.sort(np.concatenate(found))
                chosen = chosen[np.argsort(messages.tick[chosen], kind="stable")]
            put(made[home], messages, chosen, int(ends[(home >> 7) // width]))


def _firsts(made: Iterable[int], of: Callable[[int], int]) -> dict[int, int]:
    """The first key for each value of a function of it."""
    found: dict[int, int] = {}
    for key in made:
        found.setdefault(of(key), key)
    return found


def _put_controls(track: TrackTick, messages: ChannelMessages, rows: Ints, end: int) -> None:
    time = messages.tick.take(rows).astype(np.int32)
    number, value = messages.first.take(rows), messages.second.take(rows)
    track.controls = ControlChangeTickList.from_numpy(time, number, value)
    pedal = number == _PEDAL
    if pedal.any():
        track.pedals = PedalTickList.from_numpy(*_pedals(time[pedal], value[pedal], end))


def _pedals(
    time: NDArray[np.int32], value: NDArray[np.uint8], end: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Time and duration of each pedal; one that is never released lasts until `end`."""
    down = value >= 64
    changed = down.copy()
    changed[1:] ^= down[:-1]
    moved = changed.nonzero()[0]
    time = time[moved]
    if len(time) % 2:
        time = np.append(time, np.int32(max(end, int(time[-1]))))
    return np.ascontiguousarray(time[::2]), np.ascontiguousarray(time[1::2] - time[::2])


def _put_bends(track: TrackTick, messages: ChannelMessages, rows: Ints, end: int) -> None:
    value = messages.second.take(rows).astype(np.int64) << 7
    value |= messages.first.take(rows)
    value -= 0x2000
    track.pitch_bends = PitchBendTickList.from_numpy(
        messages.tick.take(rows).astype(np.int32), value.astype(np.int32)
    )


class _Texts:
    """Track names and lyrics."""

    def __init__(self, events: Events, offsets: Ints) -> None:
        text = text_decoder(special.data for special in events.specials if special.kind in TEXTS)
        self._names: dict[int, str] = {}
        self._lyrics: dict[int, list[TextMetaTick]] = {}
        for special in events.specials:
            if special.kind == meta.NAME:
                self._names[special.track] = text(special.data)
            elif special.kind == meta.LYRIC:
                lyric = TextMetaTick(special.tick + int(offsets[special.track]), text(special.data))
                self._lyrics.setdefault(special.track, []).append(lyric)

    def name(self, track: int) -> str:
        return self._names.get(track, "")

    def lyrics(self, made: dict[int, TrackTick], width: int) -> None:
        """Add lyrics to the first track made from their track, or to a new one without notes."""
        firsts = _firsts(made, lambda key: (key >> 7) // width)
        for index, lyrics in self._lyrics.items():
            key = firsts.get(index, index * width << 7)
            track = made.setdefault(key, TrackTick(self.name(index)))
            for lyric in lyrics:
                track.lyrics.append(lyric)
