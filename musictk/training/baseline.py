"""First-order baselines, printed with validation results: a useful model is better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Frames, Space, Tokens

Pieces = Iterable[NDArray[Any]]
DISCOUNT = 0.75  # Kneser & Ney 1995's usual absolute discount


def baseline_nll(train: Pieces, valid: Pieces, space: Space) -> float:
    """Mean nats per position of `valid` under a first-order model counted on `train`.

    Tokens: a bigram with interpolated Kneser-Ney smoothing, from `bos` to `eos`.
    Frames: each pitch by itself, on or off given whether it was on a frame before.
    """
    if isinstance(space, Frames):
        return _markov(train, valid, space)
    return Bigram(train, space).nll(valid, space)


class Bigram:
    """Probabilities of each token given the one before, counted from `bos` to `eos`."""

    def __init__(self, pieces: Pieces, space: Tokens) -> None:
        self.size = space.size
        self._codes, self._counts = np.unique(_pairs(pieces, space), return_counts=True)
        before, after = self._codes // self.size, self._codes % self.size
        self._total = np.bincount(before, self._counts, self.size)
        self._followers = np.bincount(before, minlength=self.size)
        # Lower order: the number of contexts of a token, plus one.
        contexts = np.bincount(after, minlength=self.size) + 1.0
        self._lower = contexts / contexts.sum()

    def chance(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
        """p(after | before), elementwise; over all `after` it sums to 1."""
        asked = before * self.size + after
        seen = np.zeros(asked.shape)
        if len(self._codes):
            place = np.minimum(np.searchsorted(self._codes, asked), len(self._codes) - 1)
            seen = np.where(self._codes[place] == asked, self._counts[place], 0)
        total = np.maximum(self._total[before], 1)
        discounted = DISCOUNT * self._followers[before] / total
        backoff = np.where(self._total[before] > 0, discounted, 1.0)
        found: NDArray[np.float64] = np.maximum(seen - DISCOUNT, 0) / total
        return np.asarray(found + backoff * self._lower[after])

    def nll(self, pieces: Pieces, space: Tokens) -> float:
        """Mean nats per position."""
        asked = _pairs(pieces, space)
        return float(-np.log(self.chance(asked // self.size, asked % self.size)).mean())


def _pairs(pieces: Pieces, space: Tokens) -> NDArray[np.int64]:
    """Every (before, after) as one number."""
    found = [np.zeros(0, np.int64)]
    for piece in pieces:
        whole = np.concatenate([[space.bos], np.asarray(piece, np.int64), [space.eos]])
        found.append(whole[:-1] * space.size + whole[1:])
    return np.concatenate(found)


def _markov(train: Pieces, valid: Pieces, space: Frames) -> float:
    counts = np.full((2, 2, space.width), 0.5)  # [before, after, pitch]
    for piece in train:
        counts += _transitions(piece, space)
    chances = np.log(counts / counts.sum(1, keepdims=True))
    nats, frames = 0.0, 0
    for piece in valid:
        nats -= float((_transitions(piece, space) * chances).sum())
        frames += len(piece)
    return nats / max(frames, 1)


def _transitions(piece: NDArray[Any], space: Frames) -> NDArray[np.float64]:
    """(2, 2, W) counts of off/on to off/on for each pitch; silence comes before a piece."""
    after = np.asarray(piece, bool)
    before = np.concatenate([np.zeros((1, space.width), bool), after[:-1]])
    cells = [[((before == b) & (after == a)).sum(0) for a in (False, True)] for b in (False, True)]
    return np.array(cells, np.float64)
