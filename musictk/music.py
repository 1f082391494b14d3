"""Notes, metres, bars and time of a Score, as numpy arrays.

The one definition of bars and duration, used by the catalog's facts, tokenizers, evaluation and
rendering.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList, ScoreTick

from musictk.arrays import ranges
from musictk.errors import MusictkError

_MOST_BARS = 20_000  # of a piece; a crafted file can have billions
LONGEST_DENOMINATOR = 128  # of a metre: a power of two up to this, as in MIDI files
DEFAULT_TEMPO = 500_000  # microseconds per quarter note, until the first tempo

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Notes:
    """The notes of a score, (N,) int64 each, ordered by onset and then pitch."""

    start: Ints  # ticks
    end: Ints  # ticks
    pitch: Ints  # MIDI note number, 60 is middle C
    velocity: Ints
    track: Ints  # index into score.tracks

    def __len__(self) -> int:
        return len(self.start)

    def where(self, chosen: NDArray[np.bool_] | Ints) -> Notes:
        """The notes selected by a mask, (N,), or by indices, in the order of the indices."""
        columns = (self.start, self.end, self.pitch, self.velocity, self.track)
        return Notes(*(column[chosen] for column in columns))


def notes(score: ScoreTick, drums: bool = True, ordered: bool = True) -> Notes:
    """The notes of every track; with `drums=False` without those of drum tracks.

    `ordered=False` leaves them in the order of tracks, in half of the time.
    """
    found = [
        (index, track.notes.numpy())
        for index, track in enumerate(score.tracks)
        if len(track.notes) and (drums or not track.is_drum)
    ]
    if not found:
        return Notes(*(np.zeros(0, np.int64) for _ in range(5)))
    start, duration, pitch, velocity = (
        np.concatenate([arrays[name] for _, arrays in found], dtype=np.int64)
        for name in ("time", "duration", "pitch", "velocity")
    )
    counts = [len(arrays["time"]) for _, arrays in found]
    track = np.repeat(np.array([index for index, _ in found]), counts)
    made = Notes(start, start + duration, pitch, velocity, track)
    if not ordered:
        return made
    return made.where(np.argsort(start * 256 + pitch, kind="stable"))


def note_list(start: Ints, duration: Ints, pitch: Ints, velocity: Ints) -> NoteTickList:
    """The notes of a track, from (N,) columns."""
    return NoteTickList.from_numpy(
        start.astype(np.int32),
        duration.astype(np.int32),
        pitch.astype(np.int8),
        velocity.astype(np.int8),
    )


@dataclass(frozen=True)
class Metres:
    """The metres of a score, (S,) int64 each, ascending in time; the first is at tick 0.

    The metre is 4/4 until the first time signature. A time signature inside a bar ends that bar,
    even if it repeats the current metre: that is how scores notate partial bars. Of several at one
    tick the last counts. One that MIDI files cannot store, or whose bars are shorter than a tick,
    is ignored.
    """

    start: Ints  # ticks
    numerator: Ints
    denominator: Ints
    quarter: int  # ticks of a quarter note

    def __len__(self) -> int:
        return len(self.start)

    def before(self, end: int) -> Metres:
        """The metres that begin before the tick `end`, at least the first."""
        count = max(int(self.start.searchsorted(end)), 1)
        if count == len(self.start):
            return self
        columns = (self.start[:count], self.numerator[:count], self.denominator[:count])
        return Metres(*columns, self.quarter)

    def counts(self, end: int) -> Ints:
        """(S,) number of bars that begin in each metre, up to the tick `end` after all of them.

        A bar line between two ticks makes no bar shorter than a tick.
        """
        spans = np.empty_like(self.start)
        spans[:-1] = self.start[1:]
        spans[-1] = max(end, 1)
        spans -= self.start
        return (spans - 1) * self.denominator // (4 * self.quarter * self.numerator) + 1

    def line(self, section: Ints, number: Ints) -> Ints:
        """Ticks of the bar lines `number`, counted from 0, of metres `section`, rounded down."""
        bar = 4 * self.quarter * self.numerator[section]
        return self.start[section] + number * bar // self.denominator[section]


def metres(score: ScoreTick) -> Metres:
    """The metres of a score, from its time signatures."""
    quarter = max(score.ticks_per_quarter, 1)
    found: dict[int, tuple[int, int]] = {}
    table = score.time_signatures.numpy()
    # A loop over lists: nearly all scores have so few that arrays would take longer.
    columns = (table[key].tolist() for key in ("time", "numerator", "denominator"))
    for start, over, under in zip(*columns, strict=True):
        power = 0 < under <= LONGEST_DENOMINATOR and under & (under - 1) == 0
        if power and start >= 0 and over > 0 and 4 * quarter * over >= under:
            found[start] = over, under
    found.setdefault(0, (4, 4))
    starts = sorted(found)
    metre = np.array([found[start] for start in starts], np.int64).T
    return Metres(np.array(starts, np.int64), metre[0], metre[1], quarter)


def bars(score: ScoreTick, least: int = 0) -> Ints:
    """(N + 1,) ticks: the beginning of each of N bars, and the end of the last.

    Covers every note and at least the tick `least`. Raises MusictkError for more than 20,000 bars.
    """
    end = max(last_tick(score), least, 1)
    found = metres(score).before(end)
    counts = found.counts(end)
    total = int(counts.sum())
    if total > _MOST_BARS:
        raise MusictkError(f"the piece has more than {_MOST_BARS:,} bars", "cut it into parts")
    section = np.repeat(np.arange(len(found)), counts)
    number = ranges(counts)
    lines = found.line(section, number)
    final = found.line(section[-1:], number[-1:] + 1)
    return np.append(lines, np.maximum(final, end))


def bar_lines(score: ScoreTick, count: int) -> list[int]:
    """The ticks of at least `count + 1` bar lines: the score's, then more of its last bar's length.

    They go past the last change of metre, since bars of rest can follow it.
    """
    changes = [mark.time + 1 for mark in score.time_signatures]
    lines: list[int] = bars(score, least=max(changes, default=0)).tolist()
    while len(lines) <= count:
        lines.append(2 * lines[-1] - lines[-2])
    return lines


def last_tick(score: ScoreTick) -> int:
    """The tick at which the last note ends; 0 without notes."""
    ends = [0]
    for track in score.tracks:
        if len(track.notes):
            arrays = track.notes.numpy()
            ends.append(int((arrays["time"].astype(np.int64) + arrays["duration"]).max()))
    return max(ends)


def last_bass(found: Notes) -> int | None:
    """The lowest pitch that sounds where the last note begins; None if nothing sounds there."""
    if not len(found):
        return None
    last = found.start.max()
    sounding = found.pitch[(found.start <= last) & (found.end > last)]
    return int(sounding.min()) if len(sounding) else None


def tempo_at(score: ScoreTick, tick: int) -> int:
    """The tempo in effect at a tick, in microseconds per quarter note."""
    found = in_effect(score.tempos, tick)
    return DEFAULT_TEMPO if found is None else int(found.mspq)


def in_effect(changes: Any, tick: int) -> Any:
    """Of tempos, metres or keys of a score the one in effect at a tick; None before the first.

    Of several at one tick the last counts.
    """
    before = [change for change in changes if change.time <= tick]
    return max(reversed(before), key=lambda change: change.time, default=None)


def in_effect_from(changes: Any, tick: int, stop: float = inf) -> list[Any]:
    """The one in effect at a tick, if there is one, and those after it and before `stop`."""
    later = [change for change in changes if tick < change.time < stop]
    later.sort(key=lambda change: change.time)
    now = in_effect(changes, tick)
    return later if now is None else [now, *later]


def steady_tempo(score: ScoreTick, end: int, least: int) -> int:
    """The tempo in which music goes on at the tick `end`, in microseconds per quarter note.

    The last one if it begins there or was in effect for `least` ticks; else, as after a ritardando,
    the median over the ticks.
    """
    table = score.tempos.numpy()
    order = np.argsort(table["time"], kind="stable")
    times = np.append(0, np.maximum(table["time"][order].astype(np.int64), 0))
    tempos = np.append(DEFAULT_TEMPO, table["mspq"][order])
    kept = times <= end
    times, tempos = times[kept], tempos[kept]
    lengths = np.diff(np.append(times, end))
    if times[-1] == end or lengths[-1] >= min(least, end):
        return int(tempos[-1])
    order = np.argsort(tempos, kind="stable")
    half = lengths[order].cumsum() >= lengths.sum() / 2
    return int(tempos[order][half.argmax()])


class Clock:
    """Converts ticks to seconds by the tempos of a score: 120 bpm until the first.

    Of several tempos at one tick the last counts; one that is not positive is ignored.
    """

    def __init__(self, score: ScoreTick) -> None:
        quarter = max(1, score.ticks_per_quarter)
        tempos = score.tempos.numpy()
        ticks, mspq = tempos["time"].astype(np.int64), tempos["mspq"].astype(np.float64)
        valid = (mspq > 0) & (ticks >= 0)
        if not valid.all():
            ticks, mspq = ticks[valid], mspq[valid]
        if (ticks[1:] < ticks[:-1]).any():
            order = ticks.argsort(kind="stable")
            ticks, mspq = ticks[order], mspq[order]
        if not len(ticks) or ticks[0] > 0:
            ticks, mspq = np.append(0, ticks), np.append(DEFAULT_TEMPO, mspq)
        self._ticks: Ints = ticks
        self._pace: Floats = mspq / 1e6 / quarter  # seconds per tick from each tempo on
        self._start: Floats = np.zeros(len(ticks))
        np.cumsum((ticks[1:] - ticks[:-1]) * self._pace[:-1], out=self._start[1:])

    def seconds(self, ticks: Ints) -> Floats:
        """(N,) seconds from the beginning of the score to each of (N,) ticks."""
        index = np.searchsorted(self._ticks, ticks, side="right") - 1
        return self._start[index] + (ticks - self._ticks[index]) * self._pace[index]


def duration(score: ScoreTick) -> float:
    """Seconds from the beginning of the score to the end of its last note."""
    return float(Clock(score).seconds(np.array([last_tick(score)]))[0])
