"""From events to a Score: notes paired, programs and drum channels resolved, texts decoded.

Where files disagree with the standard, or the standard leaves a choice:

- Strikes and releases of one pitch are paired first in, first out, as long as there are as many of
  each. Where releases are lacking, a note ends at the next release or strike of its pitch, the last
  one with its track.
- A track that changes programs itself keeps them; one that does not takes those that other tracks
  set on its channel.
- Channel 10 is drums. After a GS, XG or GM2 reset so are the channels that the file makes rhythm
  parts, and a channel 10 that it makes melodic is not.
- The sequences of a format 2 file are played one after the other.
- Of several tempos, time or key signatures at one tick the last in the file counts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from symusic.core import (
    ControlChangeTickList,
    KeySignatureTickList,
    PedalTickList,
    PitchBendTickList,
    ScoreTick,
    TempoTickList,
    TextMetaTick,
    TimeSignatureTickList,
    TrackTick,
)

from musictk.ingest.events import Events, Ints
from musictk.ingest.messages import Messages
from musictk.ingest.notes import pair
from musictk.ingest.percussion import drum_channels
from musictk.ingest.reasons import Reason, RejectedError
from musictk.ingest.text import decoder

_NAME, _LYRIC, _MARKER = 0x03, 0x05, 0x06
_PORT, _TEMPO, _METRE, _KEY = 0x21, 0x51, 0x58, 0x59
_PEDAL = 64  # controller number
_HIGHEST_DENOMINATOR = 6  # as a power of two: 1/64


def to_score(events: Events) -> tuple[ScoreTick, list[str]]:
    """The music of a file, and what had to be repaired on the way.

    Raises RejectedError for a file without a note, or with a division that cannot be used.
    """
    quarter, timed = _quarter(events.layout.division)
    notes = list(events.notes)
    offsets = _offsets(events, notes)
    messages = _messages(events, offsets)
    score = ScoreTick(quarter)
    _marks(score, events, offsets, timed, notes)
    _tracks(score, events, messages, offsets, notes)
    if not score.note_num():
        raise RejectedError(Reason.NO_NOTES, f"{len(events.ends)} tracks without a note")
    return score, list(dict.fromkeys(notes))


def _quarter(division: int) -> tuple[int, bool]:
    """Ticks per quarter, and whether they count real time.

    SMPTE ticks last `1 / (frames · subdivisions)` seconds: at 120 quarters a minute half a second's
    worth of them is a quarter. 29.97 drop-frame is taken as 30: a thousandth slower than written.
    """
    if not division & 0x8000:
        return division, False
    frames, parts = 256 - (division >> 8), division & 0xFF
    per_second = (30 if frames == 29 else frames) * parts
    if per_second % 2:  # PAL's 25 with an odd subdivision: make room for the half
        raise RejectedError(Reason.BAD_DIVISION, f"SMPTE {frames} × {parts}")
    return min(per_second // 2, 0x7FFF), True


def _offsets(events: Events, notes: list[str]) -> Ints:
    """The (tracks,) tick at which each track begins: those of format 2 follow one another."""
    if events.layout.format != 2 or len(events.ends) < 2:
        return np.zeros(len(events.ends), np.int64)
    notes.append(f"{len(events.ends)} sequences of format 2, one after the other")
    return np.cumsum(events.ends) - events.ends


def _messages(events: Events, offsets: Ints) -> Messages:
    ports = np.zeros(len(offsets), np.int64)
    for special in events.specials:
        if special.kind == _PORT and len(special.data) == 1:
            ports[special.track] = special.data[0]
    channel = (events.status & 0xF).astype(np.int64)
    return Messages(
        track=events.track,
        tick=events.tick + offsets[events.track] if offsets.any() else events.tick,
        channel=channel + 16 * ports[events.track] if ports.any() else channel,
        command=(events.status >> 4).astype(np.uint8),
        first=events.first,
        second=events.second,
    )


def _marks(score: ScoreTick, events: Events, offsets: Ints, timed: bool, notes: list[str]) -> None:
    """Tempos, time and key signatures, markers."""
    text = decoder(special.data for special in events.specials if special.kind in _TEXTS)
    found: dict[int, dict[int, tuple[int, ...]]] = {_TEMPO: {}, _METRE: {}, _KEY: {}}
    ignored: dict[int, list[bytes]] = {}
    in_time = sorted(events.specials, key=lambda one: (one.tick + offsets[one.track], one.order))
    if events.layout.format == 2:
        for offset in offsets[1:].tolist():  # what held in one sequence ends with it
            found[_TEMPO][offset], found[_METRE][offset] = (500_000,), (4, 4)
    for special in in_time:
        tick = special.tick + int(offsets[special.track])
        if special.kind == _MARKER:
            score.markers.append(TextMetaTick(tick, text(special.data)))
        elif special.kind in found:
            values = _READ[special.kind](special.data)
            if values is None:
                ignored.setdefault(special.kind, []).append(special.data)
            else:
                found[special.kind][tick] = values
    for kind, wrong in ignored.items():  # one sentence: a crafted file can have a million of them
        others = f", like {len(wrong) - 1} others" if len(wrong) > 1 else ""
        notes.append(f"{_CALLED[kind]} {wrong[0][:8].hex(' ')} is ignored{others}")
    if not timed:
        score.tempos = TempoTickList.from_numpy(*_columns(found[_TEMPO], "i"))
    score.time_signatures = TimeSignatureTickList.from_numpy(*_columns(found[_METRE], "BB"))
    score.key_signatures = KeySignatureTickList.from_numpy(*_columns(found[_KEY], "bB"))


def _tempo(data: bytes) -> tuple[int] | None:
    micros = int.from_bytes(data[:3])
    return (micros,) if len(data) >= 3 and micros else None


def _metre(data: bytes) -> tuple[int, int] | None:
    if len(data) < 2 or not data[0] or data[1] > _HIGHEST_DENOMINATOR:
        return None
    return data[0], 1 << data[1]


def _key(data: bytes) -> tuple[int, int] | None:
    """Sharps, and 1 for minor: any other mode byte is read as major."""
    sharps = int.from_bytes(data[:1], signed=True)
    return (sharps, int(data[1] == 1)) if len(data) >= 2 and -7 <= sharps <= 7 else None


_READ = {_TEMPO: _tempo, _METRE: _metre, _KEY: _key}
_CALLED = {_TEMPO: "tempo", _METRE: "time signature", _KEY: "key signature"}
_TEXTS = frozenset({_NAME, _LYRIC, _MARKER})


def _columns(found: dict[int, tuple[int, ...]], types: str) -> list[NDArray[np.generic]]:
    """Ticks, and each value, ascending by tick."""
    rows = [(tick, *values) for tick, values in sorted(found.items())]
    table = np.array(rows, np.int64).reshape(len(rows), 1 + len(types))
    return [
        np.ascontiguousarray(column.astype(kind))
        for column, kind in zip(table.T, "i" + types, strict=True)
    ]


def _tracks(
    score: ScoreTick, events: Events, messages: Messages, offsets: Ints, notes: list[str]
) -> None:
    """One track of the score for each (track, channel, program) with notes, in that order."""
    group = _groups(messages, events.layout.format)
    played = np.flatnonzero(messages.command <= 0x9)
    only = len(played) == len(messages)
    paired = pair(messages if only else messages.take(played), events.ends + offsets)
    if paired.unended:
        notes.append(f"{paired.unended} notes never end")
    owner = group.take(played.take(paired.rows))
    found = _members(owner)
    drums = drum_channels(events.specials, messages)
    texts = _Texts(events, offsets)
    made = {
        key: TrackTick(texts.name(key >> _TRACK), key & 0x7F, (key >> 7 & _CHANNELS) in drums)
        for key in found
    }
    for key, track in made.items():
        track.notes = paired.notes(found[key])
    if not only:
        _controls(made, messages, group, events.ends + offsets)
    texts.lyrics(made)
    for _, track in sorted(made.items()):
        score.tracks.append(track)


_TRACK, _CHANNELS = 19, 0xFFF  # a group is track << 19 | channel << 7 | program


_FEW = 64  # program changes that are set one by one


def _groups(messages: Messages, kind: int) -> Ints:
    """The (N,) group of each message: its track, channel, and the program then in force."""
    part = messages.track << 12 | messages.channel
    changes = np.flatnonzero(messages.command == 0xC)
    program = np.zeros(len(messages), np.int64)
    if not len(changes):
        return part << 7
    if len(changes) <= _FEW:
        for change in changes.tolist():
            after = part[change:] == part[change]
            np.copyto(program[change:], messages.first[change], where=after, casting="unsafe")
    else:
        own = _latest(part[changes], changes, part, np.arange(len(messages)))
        program = np.where(own >= 0, messages.first[changes[own]], 0).astype(np.int64)
    lone = set(_distinct(part)) - set(part[changes].tolist())
    if lone and kind != 2:
        by_time = changes[np.argsort(messages.tick[changes], kind="stable")]
        here = np.flatnonzero(np.isin(part, list(lone)))
        others = _latest(
            messages.channel[by_time],
            messages.tick[by_time],
            messages.channel[here],
            messages.tick[here],
        )
        program[here] = np.where(others >= 0, messages.first[by_time[others]], 0)
    return part << 7 | program


def _latest(keys: Ints, times: Ints, key: Ints, time: Ints) -> Ints:
    """(N,) index of the last of (keys, times) with each `key` and no later than `time`; -1: none.

    Of several equal ones the last counts.
    """
    span = 1 << 34  # more than any tick or count of events
    ranked = keys * span + times
    order = np.argsort(ranked, kind="stable")
    index = np.searchsorted(ranked[order], key * span + time, "right") - 1
    latest = order[np.maximum(index, 0)]
    return np.where((index >= 0) & (keys[latest] == key), latest, -1)


def _members(group: Ints) -> dict[int, slice | Ints]:
    """Each distinct value, ascending, and where it stands: a slice where it stands together."""
    if not len(group):
        return {}
    keys, places = _runs(group)
    if len(set(keys)) < len(keys):
        order = np.argsort(group, kind="stable")
        keys, places = _runs(group[order])
        return {key: order[place] for key, place in zip(keys, places, strict=True)}
    return dict(sorted(zip(keys, places, strict=True), key=lambda row: row[0]))


def _runs(group: Ints) -> tuple[list[int], list[slice]]:
    """The value of each run of equal values, and where the run lies."""
    edges = np.append(0, np.flatnonzero(group[1:] != group[:-1]) + 1)
    stops = [*edges[1:].tolist(), len(group)]
    return group[edges].tolist(), list(map(slice, edges.tolist(), stops))


def _distinct(values: Ints) -> list[int]:
    """The distinct values, ascending."""
    return list(_members(values))


def _controls(made: dict[int, TrackTick], messages: Messages, group: Ints, ends: Ints) -> None:
    """Controllers, pedals and pitch bends, each to the track whose notes they shape.

    Where none has their program, that is another of their channel; without any they are dropped.
    """
    by_part = _firsts(made, 7)
    by_channel = _firsts(made, 7, _CHANNELS)
    for command, put in ((0xB, _put_controls), (0xE, _put_bends)):
        here = np.flatnonzero(messages.command == command)
        rows: dict[int, list[Ints]] = {}
        for key, places in _members(group[here]).items():
            part = key >> 7
            home = key if key in made else by_part.get(part, by_channel.get(part & _CHANNELS))
            if home is not None:
                rows.setdefault(home, []).append(here[places])
        for home, found in rows.items():
            chosen = found[0]
            if len(found) > 1:
                chosen = np.sort(np.concatenate(found))
                chosen = chosen[np.argsort(messages.tick[chosen], kind="stable")]
            put(made[home], messages.take(chosen), int(ends[home >> _TRACK]))


def _firsts(made: Iterable[int], shift: int, mask: int = -1) -> dict[int, int]:
    """The first key for each value of some of its bits."""
    found: dict[int, int] = {}
    for key in made:
        found.setdefault(key >> shift & mask, key)
    return found


def _put_controls(track: TrackTick, messages: Messages, end: int) -> None:
    time = messages.tick.astype(np.int32)
    number, value = messages.first.astype(np.uint8), messages.second.astype(np.uint8)
    track.controls = ControlChangeTickList.from_numpy(time, number, value)
    pedal = number == _PEDAL
    if pedal.any():
        track.pedals = PedalTickList.from_numpy(*_pedals(time[pedal], value[pedal], end))


def _pedals(
    time: NDArray[np.int32], value: NDArray[np.uint8], end: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """When the pedal goes down and for how long; one that is never released lasts to `end`."""
    down = value >= 64
    moved = np.flatnonzero(down != np.append(False, down[:-1]))
    time = time[moved]
    if len(time) % 2:
        time = np.append(time, np.int32(max(end, int(time[-1]))))
    return np.ascontiguousarray(time[::2]), np.ascontiguousarray(time[1::2] - time[::2])


def _put_bends(track: TrackTick, messages: Messages, end: int) -> None:
    value = (messages.second.astype(np.int64) << 7 | messages.first) - 0x2000
    track.pitch_bends = PitchBendTickList.from_numpy(
        messages.tick.astype(np.int32), value.astype(np.int32)
    )


class _Texts:
    """Track names and lyrics."""

    def __init__(self, events: Events, offsets: Ints) -> None:
        text = decoder(special.data for special in events.specials if special.kind in _TEXTS)
        self._names: dict[int, str] = {}
        self._lyrics: dict[int, list[TextMetaTick]] = {}
        for special in events.specials:
            if special.kind == _NAME:
                self._names[special.track] = text(special.data)
            elif special.kind == _LYRIC:
                lyric = TextMetaTick(special.tick + int(offsets[special.track]), text(special.data))
                self._lyrics.setdefault(special.track, []).append(lyric)

    def name(self, track: int) -> str:
        return self._names.get(track, "")

    def lyrics(self, made: dict[int, TrackTick]) -> None:
        """To the first track with notes of their own; to one without notes where there is none."""
        firsts = _firsts(made, _TRACK)
        for index, lyrics in self._lyrics.items():
            key = firsts.get(index, index << _TRACK)
            track = made.setdefault(key, TrackTick(self.name(index)))
            for lyric in lyrics:
                track.lyrics.append(lyric)
