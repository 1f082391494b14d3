"""Attribute pieces to composers: a linear classifier of the figures that a piece has.

Counts of figures are weighed by tf–idf with a logarithmic term frequency, profiles by the square
root of their shares. Each kind has length 1, and all kinds have the same weight. The classifier is
multinomial logistic regression in its dual form: as many weights as there are pieces, however many
figures there are. Every composer has the same weight in its loss.

It is scored by cross-validation: works are never divided between folds, so that no piece is
attributed by a classifier that knows another version of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.evaluation.figures import FIGURES, KINDS, PROFILES, SIZE, Counts

FOLDS = 5
_PENALTY = 0.01  # of the squared weights
_STEPS = 100  # of L-BFGS at most

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Example(NamedTuple):
    """A piece of known composer. `work` is equal for versions of one work."""

    composer: str
    work: str
    counts: Counts


@dataclass(frozen=True)
class ClassifierScores:
    """How well held-out pieces are attributed, over all folds."""

    pieces: int
    works: int
    f1: float  # macro: the mean over composers of the F1 score of their pieces
    weighted_f1: float  # the mean weighted by the composers' numbers of pieces
    accuracy: float
    spread: float  # standard deviation over folds of the macro F1
    by_composer: dict[str, float]  # F1

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Classifier:
    """Composers, and the weights of the figures that speak for each."""

    composers: tuple[str, ...]
    rarity: Floats  # (K, SIZE) inverse document frequency of each bucket of each kind
    weights: Floats  # (K, SIZE, C)
    bias: Floats  # (C,)
    scores: ClassifierScores

    def probabilities(self, counts: Counts) -> dict[str, float]:
        """Composer -> probability, the most probable first."""
        logits = self.bias.astype(np.float64)
        for index, kind in enumerate(KINDS):
            vector = _vectors([counts], kind, self.rarity[index])[0]
            logits = logits + vector @ self.weights[index].astype(np.float64)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        return {self.composers[index]: float(shares[index]) for index in order}


def train_classifier(examples: Sequence[Example]) -> Classifier:
    """Train on all examples, and score by cross-validation over works."""
    composers = tuple(sorted({each.composer for each in examples}))
    labels = np.array([composers.index(each.composer) for each in examples])
    scores = cross_validate(examples)
    rarity = np.stack([_rarity(examples, kind) for kind in KINDS])
    gram = _gram(examples, rarity)
    dual, bias = _fit(gram, labels, len(composers))
    weights = np.stack(
        [
            _vectors([each.counts for each in examples], kind, rarity[index]).T @ dual
            for index, kind in enumerate(KINDS)
        ]
    )
    return Classifier(composers, rarity, weights, bias, scores)


def cross_validate(examples: Sequence[Example]) -> ClassifierScores:
    """Attribute each piece by a classifier trained on the other folds of FOLDS."""
    composers = sorted({each.composer for each in examples})
    labels = np.array([composers.index(each.composer) for each in examples])
    places = assign_folds(labels, [each.work for each in examples], FOLDS, seed=0)
    found = np.zeros_like(labels)
    single: list[float] = []
    for fold in range(FOLDS):
        inside = places != fold
        known = [each for each, kept in zip(examples, inside, strict=True) if kept]
        gram = _gram(examples, np.stack([_rarity(known, kind) for kind in KINDS]))
        dual, bias = _fit(gram[np.ix_(inside, inside)], labels[inside], len(composers))
        logits = gram[np.ix_(~inside, inside)] @ dual + bias
        found[~inside] = logits.argmax(axis=1)
        present = np.unique(labels[~inside])
        single.append(float(_f1(labels[~inside], found[~inside], len(composers))[present].mean()))
    each = _f1(labels, found, len(composers))
    return ClassifierScores(
        pieces=len(labels),
        works=len({example.work for example in examples}),
        f1=float(each.mean()),
        weighted_f1=float(each[labels].mean()),
        accuracy=float((labels == found).mean()),
        spread=float(np.std(single)),
        by_composer={name: float(value) for name, value in zip(composers, each, strict=True)},
    )


def assign_folds(labels: Ints, works: Sequence[str], folds: int, seed: int) -> Ints:
    """(N,) the fold of each piece; a work is in one. Composers are spread evenly over folds.

    The largest works are placed first, each where the fewest pieces of its composers are.
    """
    size = Counter(works)
    order = list(size)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda work: -size[work])
    names, index = np.array(works), np.zeros(len(works), np.int64)
    load = np.zeros((folds, int(labels.max()) + 1), np.int64)
    for work in order:
        members = names == work
        added = np.bincount(labels[members], minlength=load.shape[1])
        own = load[:, added > 0].sum(axis=1)
        fold = int(np.lexsort((load.sum(axis=1), own))[0])
        index[members], load[fold] = fold, load[fold] + added
    return index


def _vectors(counts: Sequence[Counts], kind: str, rarity: Floats) -> Floats:
    """(N, SIZE) the vectors of one kind, of a length that makes all kinds together 1."""
    made = np.zeros((len(counts), SIZE), np.float32)
    for row, each in zip(made, counts, strict=True):
        buckets, found = each[kind]
        row[buckets] = np.log1p(found) if kind in FIGURES else np.sqrt(found)
    made *= rarity
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9) * len(KINDS) ** 0.5
    return made


def _rarity(examples: Sequence[Example], kind: str) -> Floats:
    """(SIZE,) smoothed inverse document frequencies; 1 for profiles."""
    if kind in PROFILES:
        return np.ones(SIZE, np.float32)
    having = np.zeros(SIZE)
    for each in examples:
        having[each.counts[kind][0]] += 1
    return (np.log((1 + len(examples)) / (1 + having)) + 1).astype(np.float32)


def _gram(examples: Sequence[Example], rarity: Floats) -> Floats:
    """(N, N) products of every two pieces; one kind is in memory at a time."""
    gram = np.zeros((len(examples), len(examples)), np.float32)
    for index, kind in enumerate(KINDS):
        vectors = _vectors([each.counts for each in examples], kind, rarity[index])
        gram += vectors @ vectors.T
    return gram


def _fit(gram: Floats, labels: Ints, composers: int) -> tuple[Floats, Floats]:
    """(N, C) dual weights and (C,) bias of multinomial logistic regression, by L-BFGS."""
    import torch  # only to train: a stored classifier needs none of it

    products, target = torch.from_numpy(np.ascontiguousarray(gram)), torch.from_numpy(labels)
    counts = torch.bincount(target, minlength=composers)
    weight = len(labels) / composers / counts.clamp(min=1)
    dual = torch.zeros(len(labels), composers, requires_grad=True)
    bias = torch.zeros(composers, requires_grad=True)
    solver = torch.optim.LBFGS(
        [dual, bias], max_iter=_STEPS, history_size=20, line_search_fn="strong_wolfe"
    )
    loss = torch.nn.CrossEntropyLoss(weight=weight, reduction="sum")

    def step() -> torch.Tensor:
        solver.zero_grad()
        scores = products @ dual
        total: torch.Tensor = loss(scores + bias, target) + _PENALTY / 2 * (dual * scores).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(step)  # type: ignore[no-untyped-call]
    return dual.detach().numpy(), bias.detach().numpy()


def _f1(labels: Ints, found: Ints, composers: int) -> NDArray[np.float64]:
    """(C,) the F1 score of each composer; 0 where nothing is right."""
    right = np.bincount(labels[labels == found], minlength=composers)
    total = np.bincount(labels, minlength=composers) + np.bincount(found, minlength=composers)
    return 2 * right / np.maximum(total, 1)
