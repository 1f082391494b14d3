"""Measures of how the bars of a piece relate: similarity by distance, rhythm and pitch entropy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.music import Notes, bars, notes

FARTHEST = 40  # bars: the largest distance of the similarity curve (Museformer: T = 40)
POSITIONS = 64  # of onsets in a bar, as in the Jazz Transformer
GRID = 24  # positions in a whole note: sixteenths and triplets of eighths are on it

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def similarity_curve(score: ScoreTick, farthest: int = FARTHEST) -> Floats:
    """(farthest,) mean similarity of bars at distances of 1, 2, … bars; NaN beyond the piece.

    The similarity of two bars is the number of notes in both over that in either, where notes are
    equal in pitch, duration and onset within the bar (Yu et al. 2022, *Museformer*, NeurIPS). Pairs
    of silent bars are skipped. Onsets and durations are rounded to 1/24 of a whole note. Drum
    tracks are left out.
    """
    found, edges = notes(score, drums=False), bars(score)
    count = len(edges) - 1
    bar = np.searchsorted(edges, found.start, "right") - 1
    step = 4 * max(score.ticks_per_quarter, 1) / GRID
    onset = np.round((found.start - edges[bar]) / step).astype(np.int64)
    length = np.maximum(np.round((found.end - found.start) / step).astype(np.int64), 1)
    columns = np.stack([onset, length, found.pitch], 1)
    _, kind = np.unique(columns, axis=0, return_inverse=True)
    kinds = int(kind.max(initial=0)) + 1
    keys = np.unique(bar * kinds + kind.reshape(-1))  # one for each distinct note of a bar
    sizes = np.bincount(keys // kinds, minlength=count)
    curve = np.full(farthest, np.nan)
    for distance in range(1, min(farthest, count - 1) + 1):
        shared = keys[np.isin(keys + distance * kinds, keys, assume_unique=True)]
        both = np.bincount(shared // kinds, minlength=count)[: count - distance]
        either = sizes[:-distance] + sizes[distance:] - both
        if (either > 0).any():
            curve[distance - 1] = (both[either > 0] / either[either > 0]).mean()
    return curve


def mean_curve(curves: Iterable[Floats]) -> Floats:
    """The mean of the curves of many pieces at each distance, over the pieces that reach it."""
    stacked = np.stack(list(curves))
    reached = np.isfinite(stacked)
    total = np.where(reached, stacked, 0).sum(0)
    return np.where(reached.any(0), total / np.maximum(reached.sum(0), 1), np.nan)


def similarity_error(curve: Floats, corpus: Floats) -> float:
    """The mean gap between two curves at the distances that both have (Museformer)."""
    gaps = np.abs(curve - corpus)
    known = np.isfinite(gaps)
    return float(gaps[known].mean()) if known.any() else float("nan")


def groove_similarity(found: Notes, edges: Ints) -> float:
    """The mean similarity of rhythm of all pairs of bars, 0 … 1 (GS of Wu & Yang 2020).

    The similarity of two bars is the fraction of POSITIONS at which notes begin in both or in
    neither. `edges` (N + 1,) are bar lines in ticks. NaN for a piece of one bar.
    """
    count = len(edges) - 1
    if count < 2:
        return float("nan")
    bar = np.searchsorted(edges, found.start, "right") - 1
    place = (found.start - edges[bar]) * POSITIONS // np.diff(edges)[bar]
    used = np.unique(bar * POSITIONS + place)
    begun = np.bincount(used % POSITIONS, minlength=POSITIONS)  # bars with an onset there
    differing = (begun * (count - begun)).sum()
    return float(1 - differing / (POSITIONS * count * (count - 1) / 2))


def bar_entropy(found: Notes, edges: Ints, window: int) -> float:
    """The mean entropy in bits of the pitch classes of `window` bars (H of Wu & Yang 2020).

    The mean is over every run of `window` bars in which notes begin; of the whole piece if it is
    shorter. H1 is that of single bars, H4 of four.
    """
    count = len(edges) - 1
    window = min(window, count)
    bar = np.searchsorted(edges, found.start, "right") - 1
    counts = np.bincount(bar * 12 + found.pitch % 12, minlength=count * 12).reshape(count, 12)
    summed = np.concatenate([np.zeros((1, 12)), np.cumsum(counts, axis=0)])
    classes = summed[window:] - summed[:-window]
    classes = classes[classes.any(1)]
    shares = classes / classes.sum(1, keepdims=True)
    logs = np.log2(np.where(shares > 0, shares, 1))
    return float(-(shares * logs).sum(1).mean()) if len(shares) else 0.0
