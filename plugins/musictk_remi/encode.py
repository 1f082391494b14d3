"""Encode REMI with arrays: MidiTok's tokens, much faster, with the bars of the score.

Given music that is on the grid already, without rests, the ids are MidiTok's own (tests compare
them). They differ where MidiTok is further from the score: it rounds twice where a piece has beats
of several lengths, and begins a bar of another length only where one of the length before would
end. With rests there is one more difference: MidiTok's rests cross bar lines and omit their Bar
tokens; here a rest ends within its bar, so that every bar has its Bar token to count, cut and plan
by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.tokens.grid import Grid
from musictk_remi.quantise import DRUM_PITCHES, DRUMS, NoteArrays, changes, quantise, tempos
from musictk_remi.vocabulary import Vocabulary

Ints = NDArray[np.int64]


class Groups(NamedTuple):
    """The G ticks at which a note or a tempo is, ascending, and what is at each."""

    tick: Ints
    bar: Ints
    notes: Ints  # how many
    tempo: Ints  # its index, -1 for none


def encode(score: ScoreTick, vocabulary: Vocabulary) -> Ints:
    """(T,) ids. Raises ValueError for a score without a note in range, or of too many bars."""
    config = vocabulary.config
    grid, found = quantise(score, vocabulary)
    groups = _groups(found, score, grid, vocabulary)
    bars = int(groups.bar[-1]) + 1
    rests = _rests(groups, found, grid, vocabulary)
    counts = np.bincount(np.concatenate([where for where, _ in rests]), minlength=len(groups.tick))
    # How many ids come before each group, its bar lines included, and before its position.
    wide, per_note = 1 + config.time_signatures, 3 + config.programs
    widths = counts + 1 + (groups.tempo >= 0) + per_note * groups.notes
    begins = np.cumsum(widths) - widths + wide * (groups.bar + 1)
    ids = np.empty(wide * bars + int(widths.sum()), np.int64)
    _write_bars(ids, widths, groups, grid, bars, vocabulary)
    for number, (where, rest) in enumerate(rests):
        ids[begins[where] + number] = vocabulary.span("Rest").start + rest
    at = begins + counts
    ids[at] = vocabulary.first["Position"] + grid.positions(groups.tick, groups.bar)
    has = groups.tempo >= 0
    if config.tempos:
        ids[at[has] + 1] = vocabulary.first["Tempo"] + groups.tempo[has]
    _write_notes(ids, at + 1 + has, groups, found, vocabulary)
    return ids


def _groups(found: NoteArrays, score: ScoreTick, grid: Grid, vocabulary: Vocabulary) -> Groups:
    """Of the notes, which are in order of time, and of the tempos."""
    starts = changes(found.tick).nonzero()[0]
    tick = found.tick[starts]
    notes = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=notes[:-1])
    notes[-1] = len(found.tick) - starts[-1]
    at, index = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if vocabulary.config.tempos:
        changed, index = tempos(score, grid, vocabulary, int(tick[-1]))
        at = tick.searchsorted(changed)
        if (alone := tick[at] != changed).any():
            tick = np.insert(tick, at[alone], changed[alone])
            notes = np.insert(notes, at[alone], 0)
            at = tick.searchsorted(changed)
    tempo = np.full(len(tick), -1)
    tempo[at] = index
    return Groups(tick, grid.bars(tick), notes, tempo)


def _write_bars(
    ids: Ints, widths: Ints, groups: Groups, grid: Grid, bars: int, vocabulary: Vocabulary
) -> None:
    """Each bar's token and metre, after all groups of the bars before."""
    wide = 1 + vocabulary.config.time_signatures
    before = np.append(0, np.cumsum(widths))
    number = np.arange(bars)
    at = wide * number + before[np.searchsorted(groups.bar, number)]
    ids[at] = vocabulary.bar
    if vocabulary.config.time_signatures:
        ids[at + 1] = vocabulary.first["TimeSig"] + grid.metre[:bars]


def _write_notes(
    ids: Ints, at: Ints, groups: Groups, found: NoteArrays, vocabulary: Vocabulary
) -> None:
    """[Program] Pitch Velocity Duration of each note, from where its group's notes begin."""
    first, config = vocabulary.first, vocabulary.config
    wide = 3 + config.programs
    shift = at - wide * (groups.notes.cumsum() - groups.notes)
    place = shift.repeat(groups.notes)
    place += np.arange(0, wide * len(place), wide)
    pitch = found.pitch + (first["Pitch"] - config.pitch_range[0])
    if config.programs:
        drums = found.program == DRUMS
        ids[place] = first["Program"] + np.where(drums, 128, found.program)
        place += 1
        pitch[drums] = first["PitchDrum"] - DRUM_PITCHES[0] + found.pitch[drums]
    ids[place] = pitch
    place += 1
    ids[place] = found.velocity + first["Velocity"]
    place += 1
    ids[place] = found.duration + first["Duration"]


def _rests(
    groups: Groups, found: NoteArrays, grid: Grid, vocabulary: Vocabulary
) -> list[tuple[Ints, Ints]]:
    """(groups, the first rest before each), then those that have a second one, and so on.

    The longest rest that fits comes first.
    """
    nothing = np.zeros(0, np.int64)
    if not vocabulary.config.rests:
        return [(nothing, nothing)]
    metre = grid.metre[groups.bar]
    since = np.maximum(
        _silent_since(groups, found, metre, grid, vocabulary), grid.begins[groups.bar]
    )
    silence = groups.tick - since
    where = (silence >= vocabulary.shortest_rest).nonzero()[0]
    silence, metre = silence[where], metre[where]
    rests = []
    while len(where):
        rest = vocabulary.longest_rest[metre, silence]
        if (rest < 0).any():
            kept = rest >= 0
            where, rest, metre, silence = (each[kept] for each in (where, rest, metre, silence))
        rests.append((where, rest))
        silence = silence - vocabulary.resting[metre, rest]
        again = (silence >= vocabulary.shortest_rest).nonzero()[0]
        where, metre, silence = where[again], metre[again], silence[again]
    return rests or [(nothing, nothing)]


def _silent_since(
    groups: Groups, found: NoteArrays, metre: Ints, grid: Grid, vocabulary: Vocabulary
) -> Ints:
    """(G,) the latest end of all that began before each group; a tempo ends where it begins."""
    if len(grid.denominators) == 1:
        sounding = vocabulary.ticks("Duration", grid.denominators[0])[found.duration]
    else:
        sounding = vocabulary.sounding[metre.repeat(groups.notes), found.duration]
    ends = groups.tick.copy()
    playing = groups.notes.nonzero()[0]
    first = (groups.notes.cumsum() - groups.notes)[playing]
    ends[playing] = np.maximum.reduceat(found.tick + sounding, first)
    since = np.zeros_like(ends)
    np.maximum.accumulate(ends[:-1], out=since[1:])
    return since
