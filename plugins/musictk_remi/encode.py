"""REMI by arrays: MidiTok's tokens at a hundred times its speed.

Without rests the ids are MidiTok's own, bit for bit (tests compare them). With rests they differ in
one thing: MidiTok lets a rest leap over bar lines and leaves out their Bar tokens; here a rest ends
within its bar, so that every bar has its Bar token to count, cut and plan by.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk_remi.music import DRUMS, Grid, Part, metre_changes, parts, sections, tempos
from musictk_remi.vocabulary import Vocabulary

MOST_BARS = 100_000
_BAR, _REST, _POSITION, _TEMPO, _NOTE = range(5)  # the order of tokens at one tick

Tokens = tuple[NDArray[np.int64], int, NDArray[np.int64]]  # (ticks (N,), order, ids (N, k))


def encode(score: ScoreTick, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """(T,) ids. Raises ValueError for a score without a note in range, or of too many bars."""
    config = vocabulary.config
    changes = metre_changes(score, config)
    shortest = max(denominator for _, (_, denominator) in changes)
    resolution = config.positions_per_beat * shortest // 4
    ratio = resolution / score.ticks_per_quarter
    if resolution != score.ticks_per_quarter:
        changes = [(int(tick * ratio), metre) for tick, metre in changes]
        score = score.resample(resolution, min_dur=1)
    grid = Grid(sections(changes, resolution), resolution, config.positions_per_beat)
    music = parts(score, grid, vocabulary)
    if not music:
        raise ValueError(f"no note within pitches {config.pitch_range}")
    tokens: list[Tokens] = []
    changes_at = np.zeros(0, np.int64)
    if config.tempos:
        changes_at, index = tempos(score, grid, vocabulary)
        tokens.append((changes_at, _TEMPO, (vocabulary.first["Tempo"] + index)[:, None]))
    tokens += [(part.time, _NOTE, _notes(part, grid, vocabulary)) for part in music]
    onsets = np.unique(np.concatenate([changes_at, *(part.time for part in music)]))
    tokens += _time(onsets, changes_at, music, grid, vocabulary)
    return _in_order(tokens)


def _notes(part: Part, grid: Grid, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """(N, 3 or 4) ids: [program] pitch velocity duration."""
    first, config = vocabulary.first, vocabulary.config
    drums = part.program == DRUMS
    low = 27 if drums else config.pitch_range[0]
    columns = [first["PitchDrum" if drums else "Pitch"] + part.pitch - low]
    columns.append(first["Velocity"] + np.searchsorted(vocabulary.levels, part.velocity))
    beats, length = grid.beats[grid.section(part.time)], np.empty_like(part.duration)
    for beat in set(grid.beats.tolist()):
        here = beats == beat
        choices = vocabulary.ticks("Duration", beat)
        length[here] = np.searchsorted(choices, part.duration[here])
    columns.append(first["Duration"] + length)
    if config.programs:
        program = 128 if drums else part.program
        columns.insert(0, np.full(len(part.time), first["Program"] + program))
    return np.stack(columns, axis=1)


def _time(
    onsets: NDArray[np.int64],
    changes: NDArray[np.int64],
    music: list[Part],
    grid: Grid,
    vocabulary: Vocabulary,
) -> list[Tokens]:
    """Bars with their metres, positions and rests for the (N,) ticks at which something is."""
    config, first = vocabulary.config, vocabulary.first
    last = max(onsets[-1], grid.starts[-1])  # a metre may still change after the last note
    count = int(grid.bar(np.array([last]))[0][0]) + 1
    if count > MOST_BARS:
        raise ValueError(f"{count} bars are more than {MOST_BARS}")
    number = np.arange(count)
    section = np.searchsorted(grid.bars, number, "right") - 1
    begins = grid.starts[section] + (number - grid.bars[section]) * grid.bar_ticks[section]
    bars = np.full((count, 1), vocabulary.bar)
    if config.time_signatures:
        metres = [config.known_metres.index(item.metre) for item in grid.sections]
        bars = np.column_stack([bars, first["TimeSig"] + np.array(metres)[section]])
    _, bar = grid.bar(onsets)
    step = grid.steps[grid.section(onsets)]
    positions = (first["Position"] + (onsets - bar) // step)[:, None]
    tokens: list[Tokens] = [(begins, _BAR, bars), (onsets, _POSITION, positions)]
    if config.rests:
        tokens += _rests(
            onsets, np.maximum(_silent_since(onsets, changes, music), bar), grid, vocabulary
        )
    return tokens


def _silent_since(
    onsets: NDArray[np.int64], changes: NDArray[np.int64], music: list[Part]
) -> NDArray[np.int64]:
    """(N,) the latest end of all that began before each onset; a tempo ends where it begins."""
    ends = np.zeros(len(onsets) + 1, np.int64)
    for time, end in [
        (changes, changes),
        *((part.time, part.time + part.duration) for part in music),
    ]:
        np.maximum.at(ends, np.searchsorted(onsets, time) + 1, end)
    return np.maximum.accumulate(ends)[:-1]


def _rests(
    onsets: NDArray[np.int64], since: NDArray[np.int64], grid: Grid, vocabulary: Vocabulary
) -> list[Tokens]:
    """The silence before each onset, from `since` on, as rests, the longest that fits first."""
    tokens: list[Tokens] = []
    beats = grid.beats[grid.section(onsets)]
    for beat in set(grid.beats.tolist()):
        lengths = vocabulary.ticks("Rest", beat)
        here = np.flatnonzero((beats == beat) & (onsets - since >= lengths[0]))
        left = (onsets - since)[here]
        while len(here):
            index = np.searchsorted(lengths, left, "right") - 1
            tokens.append((onsets[here], _REST, (vocabulary.first["Rest"] + index)[:, None]))
            left = left - lengths[index]
            here, left = here[left >= lengths[0]], left[left >= lengths[0]]
    return tokens


def _in_order(tokens: list[Tokens]) -> NDArray[np.int64]:
    keys = [np.repeat(ticks * 8 + order, ids.shape[1]) for ticks, order, ids in tokens]
    ids = np.concatenate([ids.ravel() for _, _, ids in tokens])
    return ids[np.argsort(np.concatenate(keys), kind="stable")]
