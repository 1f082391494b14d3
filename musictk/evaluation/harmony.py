"""Measures of harmony: dissonant pairs, and the tonic at the beginning and the end of a piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.keys import nearest_keys
from musictk.music import Notes, bars, last_bass, notes

DISSONANT = (1, 2, 6, 10, 11)  # semitones modulo 12: seconds, sevenths and the tritone


def merge_unisons(found: Notes) -> Notes:
    """Notes of one pitch that overlap in time, as in two voices in unison, as one note each."""
    order = np.lexsort((found.start, found.pitch))
    start, end, pitch = found.start[order], found.end[order], found.pitch[order]
    # Later pitches are placed after all earlier ones, so that one running maximum serves all.
    shift = pitch * (int(end.max(initial=0)) + 1)
    reach = np.maximum.accumulate(end + shift)
    first = np.flatnonzero(np.append(True, (start + shift)[1:] >= reach[:-1])[: len(start)])
    last = np.append(first[1:], len(start)) - 1
    ends = reach[last] - shift[last]
    chosen = order[first]
    columns = (found.start, ends, found.pitch, found.velocity, found.track)
    made = Notes(*(ends if column is ends else column[chosen] for column in columns))
    return made.where(np.lexsort((made.pitch, made.start)))


def dissonant_pairs(found: Notes) -> float:
    """The share of pairs of pitches sounding together that are dissonant, weighted by time, 0 … 1.

    Dissonant are seconds, sevenths and the tritone and their compounds: 5 of 12 interval classes,
    so that random pitches have 42 %. NaN where no two pitches sound together.
    """
    found = merge_unisons(found)
    ticks, place = np.unique(np.concatenate([found.start, found.end]), return_inverse=True)
    first, last = np.split(place.reshape(-1), 2)
    changes = np.zeros((len(ticks), 12))
    np.add.at(changes, (first, found.pitch % 12), 1)
    np.add.at(changes, (last, found.pitch % 12), -1)
    sounding = np.cumsum(changes, axis=0)[:-1]  # (T - 1, 12) notes of each pitch class
    size = sounding.sum(1)
    pairs = size * (size - 1) / 2
    # Each pair is met from both of its notes: in all five intervals at once.
    clashing = sum(sounding * np.roll(sounding, -interval, axis=1) for interval in DISSONANT)
    clashing = np.asarray(clashing).sum(1) / 2
    time = np.diff(ticks)
    total = float((pairs * time).sum())
    return float((clashing * time).sum()) / total if total else float("nan")


def key_of(found: Notes) -> int:
    """The index in KEYS of the key that the notes, weighted by duration, fit best; -1 if none."""
    weights = np.bincount(found.pitch % 12, found.end - found.start, minlength=12)
    return int(nearest_keys(weights[None])[0])


def ends_on_tonic(found: Notes, key: int) -> bool:
    """Whether the lowest note that sounds at the last onset is the tonic of `key`."""
    bass = last_bass(found)
    return bass is not None and key >= 0 and bass % 12 == key % 12


def begins_on_tonic(found: Notes, edges: NDArray[np.int64], key: int) -> bool:
    """Whether the lowest note of the first chord on a bar line is the tonic of `key`.

    Notes before it are an upbeat. False where no note begins on a bar line.
    """
    on_line = np.isin(found.start, edges)
    if not on_line.any() or key < 0:
        return False
    first = found.start == found.start[on_line][0]
    return bool(found.pitch[first].min() % 12 == key % 12)


def last_bar_complete(score: ScoreTick) -> bool:
    """Whether the last note lasts to the last bar line, or to at most a quarter note before it."""
    found, edges = notes(score, drums=False), bars(score)
    line = edges[np.searchsorted(edges, found.end.max(), "left")]
    return bool(line - found.end.max() <= score.ticks_per_quarter)
