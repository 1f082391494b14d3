"""Compare generated music with a corpus by musical features (Yang & Lerch 2020).

*On the evaluation of generative models in music*, Neural Computing and Applications 32. Each
feature of a piece is a number or a histogram. The distribution of distances between pieces of the
corpus (within) is compared with that of distances from generated pieces to the corpus (between). If
they overlap fully, generated pieces differ from the corpus as its pieces differ from each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.evaluation.bar_measures import bar_entropy, groove_similarity
from musictk.evaluation.harmony import dissonant_pairs, merge_unisons
from musictk.music import Notes, bars, notes

Feature = float | NDArray[np.float64]
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # the natural minor scales have the same pitch classes
DURATIONS = 2.0 ** np.arange(-3.5, 3.5)  # quarters: edges between 1/32, 1/16, … and two bars
BEAT = 12  # bins of onsets in a quarter: 16ths and triplets are on them
MOST = 250  # pieces of the corpus compared with each other, evenly chosen
LEAST = 3  # pieces of a corpus to compare with
CENTRAL = 0.8  # of the pieces of a corpus are in its central range
REQUIRED = (  # of a good model: pieces within the central range of human ones
    "dissonant pairs",
    "scale consistency",
    "polyphony",
    "notes per bar",
    "pitch range",
)


@dataclass(frozen=True)
class FeatureComparison:
    """One feature: its means over generated pieces and corpus, and the comparison of distances."""

    generated: float | list[float]
    corpus: float | list[float]
    spread: float  # mean distance between two pieces of the corpus
    distance: float  # mean distance from a generated piece to one of the corpus
    overlap: float  # overlapping area of the distributions of distances, 0 … 1
    divergence: float  # Kullback–Leibler divergence of between from within, in nats
    low: float | None  # the central range of the corpus, None of histograms: its 10th …
    high: float | None  # … and its 90th percentile
    inside: float | None  # fraction of the generated pieces in that range


def features(score: ScoreTick) -> dict[str, Feature]:
    """The features of one piece by name; drum tracks are left out.

    Entropy is in bits, lengths are in quarters, histograms sum to 1; H1 and H4 are the entropy of
    the pitch classes of one and of four bars. NaN: the groove similarity of one bar, and the mean
    step of one onset. Raises MusictkError for a piece with no pitched notes.
    """
    found = notes(score, drums=False)
    if not len(found):
        raise MusictkError("there is nothing to measure: the piece has no pitched notes")
    edges = bars(score)
    quarter = score.ticks_per_quarter
    classes = np.bincount(found.pitch % 12, minlength=12) / len(found)
    lengths = (found.end - found.start) / quarter
    onsets = np.unique(found.start)
    steps = np.diff(onsets) / quarter
    beat = np.round(found.start % quarter * BEAT / quarter).astype(np.int64) % BEAT
    return {
        "pitch class entropy": entropy(classes),
        "entropy of a bar (H1)": bar_entropy(found, edges, 1),
        "entropy of four bars (H4)": bar_entropy(found, edges, 4),
        "groove similarity": groove_similarity(found, edges),
        "dissonant pairs": np.nan_to_num(dissonant_pairs(found)).item(),  # none in a melody,
        "notes per bar": len(found) / (len(edges) - 1),
        "pitches per bar": _pitches_per_bar(found, edges),
        "polyphony": polyphony(found),
        "scale consistency": scale_consistency(classes),
        "empty bars": empty_bars(found, edges),
        "pitch range": float(found.pitch.max() - found.pitch.min()),
        "mean pitch": float(found.pitch.mean()),
        "mean step": float(steps.mean()) if len(steps) else nan,
        "pitch classes": classes,
        "durations": _histogram(lengths),
        "steps": _histogram(steps),
        "onsets in the beat": np.bincount(beat, minlength=BEAT) / len(found),
    }


def compare_features(generated: Iterable[ScoreTick], corpus: Iterable[ScoreTick]) -> dict[str, Any]:
    """{"generated": pieces, "corpus": pieces, "features": {name: FeatureComparison as a dict}}.

    One generated piece is enough. A feature is compared among the pieces that have it, and left
    out where no generated piece does, or fewer than 3 of the corpus do. Raises MusictkError for a
    corpus of fewer than 3 pieces.
    """
    ours = [features(score) for score in generated]
    theirs = [features(score) for score in corpus if len(notes(score, drums=False))]
    if not ours or len(theirs) < LEAST:
        raise MusictkError(
            f"{len(ours)} pieces cannot be compared with a corpus of {len(theirs)}",
            f"ingest at least {LEAST} pieces",
        )
    named = {name: (_values(ours, name), _values(theirs, name)) for name in ours[0]}
    compared = {
        name: asdict(_compare(a, b)) for name, (a, b) in named.items() if len(a) and len(b) >= LEAST
    }
    return {"generated": len(ours), "corpus": len(theirs), "features": compared}


def entropy(shares: NDArray[np.float64]) -> float:
    """Entropy in bits: 0 for one class, log2(12) for twelve equal ones."""
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum())


def polyphony(found: Notes) -> float:
    """The mean number of pitches sounding at once, over the time in which any sounds.

    Two notes of one pitch count once, as in MusPy (Dong et al. 2020).
    """
    merged = merge_unisons(found)
    start, end = merged.start, merged.end
    covered = np.maximum.accumulate(np.concatenate([start[:1], end]))
    sounding = np.maximum(end - np.maximum(start, covered[:-1]), 0).sum()
    return float((end - start).sum() / sounding) if sounding else 0.0


def scale_consistency(classes: NDArray[np.float64]) -> float:
    """The fraction of notes in the best fitting major or natural minor scale.

    Mogren 2016, *C-RNN-GAN*; with the scales of MusPy (Dong et al. 2020).
    """
    degrees = (np.arange(12)[:, None] + MAJOR) % 12
    return float(classes[degrees].sum(1).max())


def central_range(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """The 10th and the 90th percentile: CENTRAL of the values are between them."""
    tail = (1 - CENTRAL) / 2
    low, high = np.quantile(np.asarray(values, np.float64), [tail, 1 - tail])
    return float(low), float(high)


def share_inside(values: NDArray[np.float64], low: float, high: float) -> float:
    """The fraction of values from `low` to `high`, both included."""
    return float(((values >= low) & (values <= high)).mean())


def empty_bars(found: Notes, edges: NDArray[np.int64]) -> float:
    """The fraction of bars in which no note sounds; `edges` (N + 1,) are bar lines in ticks."""
    first = np.searchsorted(edges, found.start, side="right") - 1
    last = np.searchsorted(edges, np.maximum(found.end - 1, found.start), side="right") - 1
    change = np.zeros(len(edges) + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    return float((np.cumsum(change)[: len(edges) - 1] == 0).mean())


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """(overlapping area, KL divergence of `b` from `a` in nats) of the kernel densities of two
    samples."""
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    if high - low < 1e-12:
        return 1.0, 0.0
    margin = 0.15 * (high - low)
    grid = np.linspace(low - margin, high + margin, 512)
    p, q = _density(a, grid), _density(b, grid)
    p, q = p / p.sum(), q / q.sum()
    tiny = 1e-12
    divergence = float((p * np.log((p + tiny) / (q + tiny))).sum())
    return float(np.minimum(p, q).sum()), max(divergence, 0.0)


def _values(pieces: Sequence[dict[str, Feature]], name: str) -> NDArray[np.float64]:
    """(N, 1), or (N, bins) of a histogram, of the pieces that have the feature."""
    values = np.array([piece[name] for piece in pieces], np.float64).reshape(len(pieces), -1)
    return values[~np.isnan(values).any(axis=1)]


def _compare(a: NDArray[np.float64], b: NDArray[np.float64]) -> FeatureComparison:
    picked = b[np.unique(np.linspace(0, len(b) - 1, MOST).astype(int))]
    within = _distances(picked, picked)[np.triu_indices(len(picked), 1)]
    between = _distances(a, b).ravel()
    area, divergence = overlap(within, between)
    scalar = a.shape[1] == 1
    low, high = central_range(b[:, 0]) if scalar else (None, None)
    return FeatureComparison(
        generated=float(a.mean()) if scalar else a.mean(0).tolist(),
        corpus=float(b.mean()) if scalar else b.mean(0).tolist(),
        spread=float(within.mean()),
        distance=float(between.mean()),
        overlap=area,
        divergence=divergence,
        low=low,
        high=high,
        inside=None if low is None or high is None else share_inside(a[:, 0], low, high),
    )


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M) Euclidean."""
    distances: NDArray[np.float64] = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    return distances


def _density(sample: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian kernel density with Scott's bandwidth, at least one step of the grid."""
    width = max(float(sample.std()) * len(sample) ** -0.2, float(grid[1] - grid[0]))
    counts, edges = np.histogram(sample, bins=2048, range=(float(grid[0]), float(grid[-1])))
    centres = (edges[:-1] + edges[1:]) / 2
    used = counts > 0
    kernels = np.exp(-0.5 * ((grid[:, None] - centres[None, used]) / width) ** 2)
    density: NDArray[np.float64] = kernels @ counts[used]
    return density


def _histogram(quarters: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(DURATIONS, quarters), minlength=len(DURATIONS) + 1)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


def _pitches_per_bar(found: Notes, edges: NDArray[np.int64]) -> float:
    bar = np.searchsorted(edges, found.start, side="right") - 1
    return float(len(np.unique(bar * 128 + found.pitch)) / len(np.unique(bar)))
