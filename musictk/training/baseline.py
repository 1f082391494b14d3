"""What one step of memory predicts: printed beside validation, so that noise is not learning."""

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
    return _bigram(train, valid, space)


def _bigram(train: Pieces, valid: Pieces, space: Tokens) -> float:
    size = space.size
    codes, counts = np.unique(_pairs(train, space), return_counts=True)
    before, after = codes // size, codes % size
    total = np.bincount(before, counts, size)
    followers = np.bincount(before, minlength=size)
    # Lower order: how many contexts a token is seen in, with one more everywhere.
    unigram = np.bincount(after, minlength=size) + 1.0
    unigram /= unigram.sum()
    asked = _pairs(valid, space)
    place = np.minimum(np.searchsorted(codes, asked), len(codes) - 1)
    seen = np.where(codes[place] == asked, counts[place], 0)
    context, token = asked // size, asked % size
    known = np.maximum(total[context], 1)
    backoff = np.where(total[context] > 0, DISCOUNT * followers[context] / known, 1.0)
    chance = np.maximum(seen - DISCOUNT, 0) / known + backoff * unigram[token]
    return float(-np.log(chance).mean())


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
    """(2, 2, W) how often each pitch went from off/on to off/on; a piece begins after silence."""
    after = np.asarray(piece, bool)
    before = np.concatenate([np.zeros((1, space.width), bool), after[:-1]])
    cells = [[((before == b) & (after == a)).sum(0) for a in (False, True)] for b in (False, True)]
    return np.array(cells, np.float64)
