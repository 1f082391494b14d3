"""From a Score to arrays on the grid: metres, tempos and notes as MidiTok would quantise them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk_remi.config import RemiConfig
from musictk_remi.vocabulary import Vocabulary

Metre = tuple[int, int]
DRUMS = -1


@dataclass(frozen=True)
class Section:
    """A stretch of bars of one metre."""

    tick: int  # where it begins
    bar: int  # the number of its first bar
    metre: Metre


@dataclass(frozen=True)
class Part:
    """The notes of one instrument, (N,) arrays sorted by time, then pitch."""

    program: int  # -1: drums
    time: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    duration: NDArray[np.int64]


def known_metre(metre: Metre, known: Iterable[Metre]) -> Metre | None:
    """The metre that stands for `metre`: itself, else one with bars as long (2/2: 4/4), else the
    longest whose bars divide its bars (9/8: 3/8), else none: the metre before it goes on."""
    choices = tuple(known)
    if metre in choices:
        return metre

    def sixty_fourths(other: Metre) -> int:
        return other[0] * 64 // other[1]

    whole = sixty_fourths(metre)
    fitting = [other for other in choices if whole and whole % sixty_fourths(other) == 0]
    return max(fitting, key=lambda other: (sixty_fourths(other), -other[1]), default=None)


def metre_changes(score: ScoreTick, config: RemiConfig) -> list[tuple[int, Metre]]:
    """(tick, metre) in the score's ticks, in known metres, the first at tick 0."""
    if not config.time_signatures:
        return [(0, (4, 4))]
    named = sorted(
        ((mark.time, (mark.numerator, mark.denominator)) for mark in score.time_signatures),
        key=lambda change: change[0],
    )
    known = ((tick, known_metre(metre, config.known_metres)) for tick, metre in named)
    changes = [(tick, metre) for tick, metre in known if metre is not None]
    return changes if changes and changes[0][0] == 0 else [(0, (4, 4)), *changes]


def sections(changes: list[tuple[int, Metre]], ticks_per_quarter: int) -> list[Section]:
    """Changes of metre wait for the next bar line; of several at one bar line the last counts."""
    found: list[Section] = []
    for tick, metre in changes:
        bar = 0
        if found:
            last = found[-1]
            if metre == last.metre:
                continue
            length = last.metre[0] * ticks_per_quarter * 4 // last.metre[1]
            passed = -(-max(tick - last.tick, 0) // length)  # bars, rounded up
            tick, bar = last.tick + passed * length, last.bar + passed
            if not passed:
                found.pop()
                if found and found[-1].metre == metre:
                    continue
        found.append(Section(tick, bar, metre))
    return found


def closest(choices: NDArray[Any], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of the nearest of ascending `choices` to each value; halfway is the higher."""
    return np.searchsorted(choices[:-1] + choices[1:], 2 * values, "right")


class Grid:
    """The time grid of one score: which section, step and beat rule at each tick."""

    def __init__(self, found: list[Section], ticks_per_quarter: int, steps_per_beat: int) -> None:
        self.sections = found
        self.starts = np.array([section.tick for section in found])
        self.bars = np.array([section.bar for section in found])
        metres = np.array([section.metre for section in found])
        self.beats = ticks_per_quarter * 4 // metres[:, 1]  # ticks of a beat
        self.bar_ticks = self.beats * metres[:, 0]
        self.steps = np.maximum(self.beats // steps_per_beat, 1)  # ticks of a position

    def section(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """The index of the section in force at each tick."""
        return np.searchsorted(self.starts, ticks, "right") - 1

    def bar(self, ticks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(number of the bar, tick at which it begins) for each tick."""
        index = self.section(ticks)
        passed = (ticks - self.starts[index]) // self.bar_ticks[index]
        return self.bars[index] + passed, self.starts[index] + passed * self.bar_ticks[index]

    def snap(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each tick on the nearest position of its section; halfway is the even one."""
        index = self.section(ticks)
        step, start = self.steps[index], self.starts[index]
        return (np.round((ticks - start) / step) * step + start).astype(np.int64)


def parts(score: ScoreTick, grid: Grid, vocabulary: Vocabulary) -> list[Part]:
    """The parts of a resampled score, by program, drums last; without programs, one piano.

    Of notes with one onset and pitch the shortest stays, as in MidiTok.
    """
    config = vocabulary.config
    gathered: dict[int, list[dict[str, NDArray[np.int32]]]] = {}
    for track in score.tracks:
        if not config.programs and track.is_drum:
            continue
        program = (DRUMS if track.is_drum else track.program) if config.programs else 0
        if len(track.notes):
            gathered.setdefault(program, []).append(track.notes.numpy())
    order = sorted(gathered, key=lambda program: (program == DRUMS, program))
    found = [_part(program, gathered[program], grid, vocabulary) for program in order]
    return [part for part in found if len(part.time)]


def prepared(score: ScoreTick, config: RemiConfig) -> ScoreTick:
    """What MidiTok is given: tracks merged by program, known metres, a tempo at the beginning."""
    ready = ScoreTick(score.ticks_per_quarter)
    tracks: dict[int, TrackTick] = {}
    for track in score.tracks:
        if not config.programs and track.is_drum:
            continue
        program = (DRUMS if track.is_drum else track.program) if config.programs else 0
        into = tracks.setdefault(program, TrackTick("", max(program, 0), program == DRUMS))
        for name in ("notes", "controls", "pitch_bends", "pedals"):
            getattr(into, name).extend(getattr(track, name))
    for program in sorted(tracks, key=lambda program: (program == DRUMS, program)):
        for name in ("notes", "controls", "pitch_bends", "pedals"):
            getattr(tracks[program], name).sort()
        ready.tracks.append(tracks[program])
    if not len(score.tempos) or score.tempos[0].time > 0:
        tempos = np.array(config.tempo_values)
        ready.tempos.append(TempoTick(0, float(tempos[np.argmin(np.abs(tempos - 120))])))
    ready.tempos.extend(score.tempos)
    ready.key_signatures = score.key_signatures
    for tick, metre in metre_changes(score, config):
        ready.time_signatures.append(TimeSignatureTick(tick, *metre))
    return ready


def _part(
    program: int, tracks: list[dict[str, NDArray[np.int32]]], grid: Grid, vocabulary: Vocabulary
) -> Part:
    time, pitch, velocity, duration = (
        np.concatenate([track[name] for track in tracks]).astype(np.int64)
        for name in ("time", "pitch", "velocity", "duration")
    )
    low, high = (27, 88) if program == DRUMS else vocabulary.config.pitch_range
    kept = (pitch >= low) & (pitch <= high)
    time, pitch, velocity, duration = (values[kept] for values in (time, pitch, velocity, duration))
    levels = vocabulary.levels
    velocity = levels[closest(levels, velocity)]
    time = grid.snap(time)
    beats = grid.beats[grid.section(time)]
    for beat in set(grid.beats.tolist()):
        lengths = vocabulary.ticks("Duration", beat)
        here = beats == beat
        duration[here] = lengths[closest(lengths, duration[here])]
    order = np.lexsort((velocity, duration, pitch, time))
    time, pitch = time[order], pitch[order]
    fresh = np.ones(len(time), bool)
    fresh[1:] = (time[1:] != time[:-1]) | (pitch[1:] != pitch[:-1])
    order = order[fresh]
    return Part(program, time[fresh], pitch[fresh], velocity[order], duration[order])


def tempos(
    score: ScoreTick, grid: Grid, vocabulary: Vocabulary
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(ticks, indices into `config.tempo_values`): one at tick 0, then each change."""
    micros = 60e6 / vocabulary.tempos  # of a quarter note, descending
    nearest_120 = int(np.argmin(np.abs(vocabulary.tempos - 120)))
    if not len(score.tempos):
        return np.zeros(1, np.int64), np.array([nearest_120])
    marks = score.tempos.numpy()
    time = grid.snap(marks["time"].astype(np.int64))
    index = len(micros) - 1 - closest(micros[::-1], marks["mspq"].astype(np.int64))
    last = np.append(time[1:] != time[:-1], True)  # of several at one tick
    time, index = time[last], index[last]
    if time[0] != 0:
        time, index = np.insert(time, 0, 0), np.insert(index, 0, nearest_120)
    changed = np.append(True, index[1:] != index[:-1])
    return time[changed], index[changed]
