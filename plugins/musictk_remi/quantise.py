"""Quantise a Score: its notes and tempos as arrays, at the nearest points of the grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import (
    ControlChangeTick,
    KeySignatureTick,
    PedalTick,
    PitchBendTick,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from musictk.music import note_list
from musictk.tokens.bars import grid_of
from musictk.tokens.grid import Grid
from musictk_remi.vocabulary import Vocabulary

Ints = NDArray[np.int64]
DRUMS = -1
DRUM_PITCHES = (27, 88)
_LENGTH_TABLE = 4  # entries of a table of durations for each note; longer ones are not made


class NoteArrays(NamedTuple):
    """The notes of all parts, (N,) each, by onset, program (drums last) and pitch.

    Of notes with one onset, program and pitch the shortest is kept, of those the softest.
    """

    tick: Ints  # of the grid
    program: Ints  # -1: drums; 0 throughout where programs are not kept apart
    pitch: Ints
    duration: Ints  # index of the `Duration` token
    velocity: Ints  # index of the `Velocity` token


def closest(choices: NDArray[Any], values: Ints, scale: int = 1) -> Ints:
    """The index of the nearest of ascending `choices` to `values / scale`; halfway is up."""
    return ((choices[:-1] + choices[1:]) * scale).searchsorted(2 * values, "right")


def changes(values: Ints) -> NDArray[np.bool_]:
    """(N,) whether each value differs from the one before; the first does."""
    changed = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def quantise(score: ScoreTick, vocabulary: Vocabulary) -> tuple[Grid, NoteArrays]:
    """The bars up to the last note, and the notes that the vocabulary can represent.

    Raises ValueError where there are none.
    """
    tracks, ranks = _tracks(score, vocabulary)
    if tracks:
        time, pitch, velocity, duration = (
            np.concatenate([track[name] for track in tracks], dtype=np.int64)
            for name in ("time", "pitch", "velocity", "duration")
        )
        rank = np.repeat(ranks, [len(track["time"]) for track in tracks]) if ranks else None
        kept = _in_range(pitch, rank, vocabulary)
        if not kept.all():
            columns = (time, pitch, velocity, duration)
            time, pitch, velocity, duration = (column[kept] for column in columns)
            rank = rank[kept] if rank is not None else None
    if not tracks or not len(time):
        raise nothing_to_encode(score, vocabulary)
    grid = grid_of(vocabulary.metrics, score, int(time.max()))
    tick = grid.snap(time)
    length = _lengths(duration, tick, grid, vocabulary)
    level = vocabulary.level_of.take(velocity, mode="clip")
    return grid, _ordered(tick, rank, pitch, length, level)


def nothing_to_encode(score: ScoreTick, vocabulary: Vocabulary) -> ValueError:
    """The error for music without a note that the vocabulary can represent."""
    if score.note_num() and not _tracks(score, vocabulary)[0]:
        return ValueError("it has no pitched note, only drums")
    low, high = vocabulary.config.pitch_range
    return ValueError(f"no note of a pitch from {low} to {high}")


def _tracks(
    score: ScoreTick, vocabulary: Vocabulary
) -> tuple[list[dict[str, NDArray[Any]]], list[int]]:
    """The tracks with notes, and the rank of each one's program: drums are the last.

    There are no ranks if programs are not kept apart.
    """
    apart = vocabulary.config.programs
    found: list[dict[str, NDArray[Any]]] = []
    ranks: list[int] = []
    for track in score.tracks:
        notes = track.notes
        if len(notes) and (apart or not track.is_drum):
            found.append(notes.numpy())
            if apart:
                ranks.append(128 if track.is_drum else track.program & 127)
    return found, ranks


def _in_range(pitch: Ints, rank: Ints | None, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    low, high = vocabulary.config.pitch_range
    kept: NDArray[np.bool_] = (pitch >= low) & (pitch <= high)
    if rank is not None:
        drums = (pitch >= DRUM_PITCHES[0]) & (pitch <= DRUM_PITCHES[1])
        kept = np.where(rank == 128, drums, kept)
    return kept


def _lengths(duration: Ints, tick: Ints, grid: Grid, vocabulary: Vocabulary) -> Ints:
    """(N,) the index of the nearest duration, in the beats of the metre at each onset."""
    used = grid.denominators
    if len(used) == 1:
        return _length(duration, used[0], grid, vocabulary)
    denominators = vocabulary.denominators[grid.metre[grid.bars(tick)]]
    length = np.empty_like(duration)
    for under in used:
        here = denominators == under
        length[here] = _length(duration[here], under, grid, vocabulary)
    return length


def _length(duration: Ints, under: int, grid: Grid, vocabulary: Vocabulary) -> Ints:
    """(N,) the index of the nearest duration in beats of 1/under."""
    rate, quarter = grid.metrics.quarter, grid.quarter
    choices = vocabulary.ticks("Duration", under)
    longest = int(choices[-1]) * quarter // rate + 1  # every longer one is the last choice
    if longest > _LENGTH_TABLE * len(duration):
        return closest(choices, duration * rate, quarter)
    table = closest(choices, np.arange(longest + 1) * rate, quarter)
    return table.take(duration, mode="clip")


def _ordered(tick: Ints, rank: Ints | None, pitch: Ints, length: Ints, level: Ints) -> NoteArrays:
    """Sorted by one key that holds all columns; only the first of equal notes is kept."""
    lengths = int(length.max()).bit_length()
    key = tick << 8 | rank if rank is not None else tick.copy()
    for column, bits in ((pitch, 7), (length, lengths), (level, 7)):
        key <<= bits
        key |= column
    key.sort()
    first = changes(key >> (lengths + 7))
    if not first.all():
        key = key[first]
    level = key & 127
    key >>= 7
    length = key & ((1 << lengths) - 1)
    key >>= lengths
    pitch = key & 127
    key >>= 7
    if rank is None:
        return NoteArrays(key, np.zeros_like(key), pitch, length, level)
    rank = key & 255
    return NoteArrays(key >> 8, np.where(rank == 128, DRUMS, rank), pitch, length, level)


def tempos(score: ScoreTick, grid: Grid, vocabulary: Vocabulary, last: int) -> tuple[Ints, Ints]:
    """(ticks, indices into `config.tempo_values`): one at tick 0, then each change up to `last`.

    Of several at one tick of the grid the last counts.
    """
    micros = vocabulary.micros
    if not len(score.tempos):
        return np.zeros(1, np.int64), np.array([vocabulary.default_tempo])
    marks = score.tempos.numpy()
    time, micro = marks["time"].astype(np.int64), marks["mspq"].astype(np.int64)
    index = len(micros) - 1 - closest(micros, micro)
    if len(time) == 1 and time[0] <= 0:
        return np.zeros(1, np.int64), index
    order = time.argsort(kind="stable")
    time, index = time[order], index[order]
    tick = grid.snap(time)
    tick[time <= 0] = 0  # where an opening bar was made whole, too
    final = np.ones(len(tick), np.bool_)
    np.not_equal(tick[1:], tick[:-1], out=final[:-1])
    final &= tick <= last
    tick, index = tick[final], index[final]
    if not len(tick) or tick[0] != 0:
        tick, index = np.insert(tick, 0, 0), np.insert(index, 0, vocabulary.default_tempo)
    changed = changes(index)
    return tick[changed], index[changed]


def prepared(score: ScoreTick, vocabulary: Vocabulary) -> ScoreTick:
    """The piece for MidiTok: on the grid, with tracks merged by program.

    So MidiTok does not round, and every metre is in its vocabulary.
    """
    config = vocabulary.config
    grid, found = quantise(score, vocabulary)
    ready = ScoreTick(vocabulary.ticks_per_quarter)
    at = _placer(grid)
    bar = grid.bars(found.tick)
    under = vocabulary.denominators[grid.metre[bar]]
    duration = np.zeros_like(found.tick)
    for each in set(under.tolist()):
        here = under == each
        duration[here] = vocabulary.ticks("Duration", each)[found.duration[here]]
    columns = (found.tick, duration, found.pitch, vocabulary.levels[found.velocity])
    for program in sorted(set(found.program.tolist()), key=lambda item: (item < 0, item)):
        track = TrackTick("", max(program, 0), program == DRUMS)
        here = found.program == program
        track.notes = note_list(*(column[here] for column in columns))
        for other in score.tracks:
            own = DRUMS if other.is_drum else other.program & 127 if config.programs else 0
            if own == program:
                _copy_controls(other, track, at)
        ready.tracks.append(track)
    if config.tempos:
        marks = tempos(score, grid, vocabulary, int(found.tick[-1]))
        for tick, index in zip(*marks, strict=True):
            ready.tempos.append(TempoTick(int(tick), float(vocabulary.tempos[index])))
    for key in score.key_signatures:
        ready.key_signatures.append(KeySignatureTick(at(key.time), key.key, key.tonality))
    for index in range(int(bar[-1]) + 1):
        if index == 0 or grid.metre[index] != grid.metre[index - 1]:
            metre = grid.metrics.known[grid.metre[index]]
            ready.time_signatures.append(TimeSignatureTick(int(grid.begins[index]), *metre))
    return ready


def _placer(grid: Grid) -> Callable[[int], int]:
    return lambda tick: int(grid.snap(np.array([tick]))[0])


def _copy_controls(source: TrackTick, track: TrackTick, at: Callable[[int], int]) -> None:
    """Copy controls, bends and pedals, moved to the grid."""
    for control in source.controls:
        moved = ControlChangeTick(at(control.time), control.number, control.value)
        track.controls.append(moved)
    for bend in source.pitch_bends:
        track.pitch_bends.append(PitchBendTick(at(bend.time), bend.value))
    for pedal in source.pedals:
        start = at(pedal.time)
        track.pedals.append(PedalTick(start, max(at(pedal.time + pedal.duration) - start, 1)))
    for each in (track.controls, track.pitch_bends, track.pedals):
        each.sort()
