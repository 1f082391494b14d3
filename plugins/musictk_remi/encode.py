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

from musictk.tokens.bars import Grid
from musictk_remi.quantise import DRUM_PITCHES, DRUMS, NoteArrays, quantise, tempos
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
    _write_bars(ids, begins, widths, groups, grid, bars, vocabulary)
    for number, (where, rest) in enumerate(rests):
        ids[begins[where] + number] = vocabulary.span("Rest").start + rest
    at = begins + counts
    step = grid.metrics.steps[grid.metre[groups.bar]]
    ids[at] = vocabulary.first["Position"] + (groups.tick - grid.begins[groups.bar]) // step
    has = groups.tempo >= 0
    if config.tempos:
        ids[at[has] + 1] = vocabulary.first["Tempo"] + groups.tempo[has]
    _write_notes(ids, at + 1 + has, groups, found, vocabulary)
    return ids


def _groups(found: NoteArrays, score: ScoreTick, grid: Grid, vocabulary: Vocabulary) -> Groups:
    """Of the notes, which are in order of time, and of the tempos."""
    starts = np.flatnonzero(np.append(True, found.tick[1:] != found.tick[:-1]))
    tick = found.tick[starts]
    notes = np.diff(np.append(starts, len(found.tick)))
    tempo = np.full(len(tick), -1)
    if vocabulary.config.tempos:
        changes, index = tempos(score, grid, vocabulary, int(tick[-1]))
        where = np.searchsorted(tick, changes)
        if (alone := tick[where] != changes).any():
            tick = np.insert(tick, where[alone], changes[alone])
            notes = np.insert(notes, where[alone], 0)
            where = np.searchsorted(tick, changes)
        tempo = np.full(len(tick), -1)
        tempo[where] = index
    bar = np.searchsorted(grid.begins, tick, "right") - 1
    return Groups(tick, bar, notes, tempo)


def _write_bars(
    ids: Ints,
    begins: Ints,
    widths: Ints,
    groups: Groups,
    grid: Grid,
    bars: int,
    vocabulary: Vocabulary,
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
    before = np.cumsum(groups.notes) - groups.notes
    shift = at - (3 + config.programs) * before
    place = np.repeat(shift, groups.notes) + (3 + config.programs) * np.arange(len(found.tick))
    pitch = first["Pitch"] - config.pitch_range[0] + found.pitch
    if config.programs:
        drums = found.program == DRUMS
        ids[place] = first["Program"] + np.where(drums, 128, found.program)
        place = place + 1
        pitch[drums] = first["PitchDrum"] - DRUM_PITCHES[0] + found.pitch[drums]
    ids[place] = pitch
    ids[place + 1] = first["Velocity"] + found.velocity
    ids[place + 2] = first["Duration"] + found.duration


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
    since = np.maximum(_silent_since(groups, found, metre, vocabulary), grid.begins[groups.bar])
    silence = groups.tick - since
    where = np.flatnonzero(silence >= vocabulary.shortest_rest)
    silence, metre = silence[where], metre[where]
    rests = []
    while len(where):
        rest = vocabulary.longest_rest[metre, silence]
        kept = rest >= 0
        where, rest, metre, silence = (each[kept] for each in (where, rest, metre, silence))
        rests.append((where, rest))
        silence = silence - vocabulary.resting[metre, rest]
    return rests or [(nothing, nothing)]


def _silent_since(groups: Groups, found: NoteArrays, metre: Ints, vocabulary: Vocabulary) -> Ints:
    """(G,) the latest end of all that began before each group; a tempo ends where it begins."""
    group = np.repeat(np.arange(len(groups.tick)), groups.notes)
    sounding = vocabulary.sounding[metre[group], found.duration]
    ends = groups.tick.copy()
    np.maximum.at(ends, group, found.tick + sounding)
    ends = np.maximum.accumulate(ends)
    return np.append(0, ends[:-1])
