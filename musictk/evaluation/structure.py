"""Measure repetition in a piece by its fitness scape plot (Müller, Jiang & Grosche 2013).

*A robust fitness measure for capturing repetitions in music recordings with applications to audio
thumbnailing*, IEEE TASLP 21. The structureness indicator is the largest fitness of a segment within
a range of durations (Wu & Yang 2020, *The Jazz Transformer on the front line*, ISMIR). Parameters
are those of that paper: chroma at 2 Hz, similarity smoothed over 16 frames at relative tempos from
1/2 to 2 and in all 12 keys, the highest quarter kept and the rest -2. They read chroma from audio;
here it is read from the notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.music import Clock, notes

RATE = 2  # frames per second
BANDS = {"short": (3, 8), "mid": (8, 15), "long": (15, 128)}  # seconds
LONGEST = 120.0  # seconds of a piece that are measured: time grows with the fourth power
_FINE, _SMOOTH = 10, 21  # frames per second before smoothing, and frames of the moving average
_DIAGONAL = 16  # frames of the filter along diagonals
_TEMPOS = np.exp(np.linspace(np.log(0.5), np.log(2), 7))
_KEPT, _PENALTY = 0.25, -2.0
_TINY = 1e-16

Floats = NDArray[np.float64]


def structureness(score: ScoreTick) -> dict[str, float]:
    """The structureness indicator, 0 … 1, of each of BANDS in the first LONGEST seconds.

    0 for a band longer than the piece, and for a piece without notes. Drum tracks are left out.
    """
    features = chroma(score)[: int(LONGEST * RATE)]
    if len(features) < BANDS["short"][0] * RATE:
        return dict.fromkeys(BANDS, 0.0)
    fitness = scape_plot(self_similarity(features), BANDS["short"][0] * RATE)
    return {name: indicator(fitness, *seconds) for name, seconds in BANDS.items()}


def indicator(fitness: Floats, low: float, high: float) -> float:
    """The largest fitness (N, N), by length and start, of segments from `low` to `high` seconds."""
    found = fitness[int(low * RATE) - 1 : int(high * RATE)]
    return float(found.max()) if found.size else 0.0


def chroma(score: ScoreTick) -> Floats:
    """(N, 12) how strongly each pitch class sounds, at RATE; each row has unit length."""
    found = notes(score, drums=False)
    if not len(found):
        return np.zeros((0, 12))
    clock = Clock(score)
    start, end = clock.seconds(found.start) * _FINE, clock.seconds(found.end) * _FINE
    first = start.astype(np.int64)
    last = np.maximum(np.ceil(end).astype(np.int64), first + 1)
    changes = np.zeros((int(last.max()) + 1, 12))
    np.add.at(changes, (first, found.pitch % 12), 1)
    np.add.at(changes, (last, found.pitch % 12), -1)
    fine = _unit(np.cumsum(changes, axis=0)[:-1])
    kernel = np.full(_SMOOTH, 1 / _SMOOTH)
    middle = slice(_SMOOTH // 2, _SMOOTH // 2 + len(fine))
    smooth = np.stack([np.convolve(column, kernel)[middle] for column in fine.T], 1)
    return _unit(smooth[:: _FINE // RATE], 1 / np.sqrt(12))


def self_similarity(features: Floats) -> Floats:
    """(N, N) enhanced and thresholded similarity of feature vectors (N, 12), 1 on the diagonal."""
    best = np.zeros((len(features), len(features)))
    for shift in range(12):
        similarity = np.roll(features, shift, axis=1) @ features.T
        for tempo in _TEMPOS.tolist():
            best = np.maximum(best, _along_diagonals(similarity, tempo))
    return _thresholded(best)


def scape_plot(similarity: Floats, shortest: int = 1) -> Floats:
    """(N, N) fitness of the segment of `length` frames from `start`, at [length - 1, start].

    `similarity` (N, N) is at most 1, and 1 on the diagonal. Segments shorter than `shortest`
    frames are left 0. Fitness is the harmonic mean of the normalised score of the optimal path
    family over the segment and of its normalised coverage.
    """
    size = len(similarity)
    fitness = np.zeros((size, size))
    for length in range(shortest, size + 1):
        total, cells, covered = _path_families(similarity, length)
        score, coverage = (total - length) / (cells + _TINY), (covered - length) / size
        fitness[length - 1, : size - length + 1] = 2 * score * coverage / (score + coverage + _TINY)
    return fitness


@dataclass(frozen=True)
class _Row:
    """A row of the accumulated score matrices of S segments, (S, length + 1) each.

    Column 0 is between paths. Each cell carries the length of its path family and the frames that
    it covers, so that no path is traced back.
    """

    score: Floats
    cells: Floats  # length of all paths
    before: Floats  # frames covered by finished paths, minus the first frame of the current one


def _path_families(similarity: Floats, length: int) -> tuple[Floats, Floats, Floats]:
    """(S,) score, length and coverage of the optimal path family over each segment."""
    size = len(similarity)
    windows = np.lib.stride_tricks.sliding_window_view(similarity, length, axis=1)
    shape = (size - length + 1, length + 1)
    nothing = _Row(np.full(shape, -np.inf), np.zeros(shape), np.zeros(shape))
    last = _Row(np.full(shape, -np.inf), np.zeros(shape), np.zeros(shape))
    last.score[:, 0], last.score[:, 1], last.cells[:, 1] = 0, windows[0, :, 0], 1
    earlier = nothing
    for frame in range(1, size):
        earlier, last = last, _next_row(windows[frame], frame, last, earlier)
    inside = last.score[:, -1] >= last.score[:, 0]
    return (
        np.maximum(last.score[:, 0], last.score[:, -1]),
        np.where(inside, last.cells[:, -1], last.cells[:, 0]),
        np.where(inside, last.before[:, -1] + size, last.before[:, 0]),
    )


def _next_row(similarity: Floats, frame: int, last: _Row, earlier: _Row) -> _Row:
    """The row of `frame` from the two before it; steps are (1, 1), (2, 1) and (1, 2)."""
    score, cells, before = (np.empty_like(last.score) for _ in range(3))
    ended = last.score[:, -1] > last.score[:, 0]
    score[:, 0] = np.maximum(last.score[:, 0], last.score[:, -1])
    cells[:, 0] = np.where(ended, last.cells[:, -1], last.cells[:, 0])
    before[:, 0] = np.where(ended, last.before[:, -1] + frame, last.before[:, 0])
    score[:, 1] = score[:, 0] + similarity[:, 0]
    cells[:, 1] = cells[:, 0] + 1
    before[:, 1] = before[:, 0] - frame
    best, count, base = last.score[:, 1:-1], last.cells[:, 1:-1], last.before[:, 1:-1]
    if frame > 2:  # until then a path cannot skip a frame and still have begun
        slow = earlier.score[:, 1:-1] > best
        best = np.where(slow, earlier.score[:, 1:-1], best)
        count = np.where(slow, earlier.cells[:, 1:-1], count)
        base = np.where(slow, earlier.before[:, 1:-1], base)
    fast = last.score[:, :-2] > best
    fast[:, :1] = False  # column 0 belongs to no path
    cells[:, 2:] = np.where(fast, last.cells[:, :-2], count) + 1
    before[:, 2:] = np.where(fast, last.before[:, :-2], base)
    highest = np.maximum(
        last.score[:, 1:-1], np.maximum(last.score[:, :-2], earlier.score[:, 1:-1])
    )
    score[:, 2:] = similarity[:, 1:] + highest
    return _Row(score, cells, before)


def _unit(rows: Floats, silent: float = 0.0) -> Floats:
    """Rows of unit length; those shorter than 0.001 are `silent` throughout."""
    size = np.sqrt((rows**2).sum(1, keepdims=True))
    return np.where(size > 0.001, rows / np.maximum(size, 0.001), silent)


def _along_diagonals(similarity: Floats, tempo: float) -> Floats:
    """The larger of the means over the next and over the last frames at a relative tempo."""
    size = len(similarity)
    scaled = int(np.ceil(size / tempo))
    there = _resampling(scaled, size)
    padded = np.zeros((size + 2 * _DIAGONAL, scaled + 2 * _DIAGONAL))
    padded[_DIAGONAL:-_DIAGONAL, _DIAGONAL:-_DIAGONAL] = similarity[:, there]
    forward, backward = np.zeros((size, scaled)), np.zeros((size, scaled))
    for step in range(_DIAGONAL):
        ahead, behind = _DIAGONAL + step, _DIAGONAL - step
        forward += padded[ahead : ahead + size, ahead : ahead + scaled]
        backward += padded[behind : behind + size, behind : behind + scaled]
    back = _resampling(size, scaled)
    return np.asarray(np.maximum(forward, backward)[:, back] / _DIAGONAL)


def _resampling(size: int, source: int) -> NDArray[np.int64]:
    """(size,) indices that stretch `source` frames to `size`."""
    places = np.around(np.arange(1, size + 1) / size * source) - 1
    return np.maximum(places, 0).astype(np.int64)


def _thresholded(similarity: Floats) -> Floats:
    """The highest values scaled to 0 … 1, the others _PENALTY, and 1 on the diagonal."""
    ordered = np.sort(similarity, axis=None)
    least = ordered[min(int(np.round(ordered.size * (1 - _KEPT))), ordered.size - 1)]
    top = ordered[-1]
    span = max(top - least, _TINY)
    result = np.where(similarity >= least, (similarity - least) / span, _PENALTY)
    np.fill_diagonal(result, 1)
    return np.asarray(result)
