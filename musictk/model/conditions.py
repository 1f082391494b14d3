"""The labels a model can be conditioned on. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import same_spelling

NONE = ""  # id 0: unconditional
OTHER = "OTHER"  # id 1: shared by all labels with too few pieces


@dataclass(frozen=True)
class Conditions:
    """The categories a network knows ("composer", "period", …) and the labels of each.

    `labels[category][id]` is a label: id 0 is unconditional, 1 is OTHER. `folded[category]` are the
    labels that share OTHER. Ids never change: new labels are appended. `usual[composer]` are
    the labels of other categories that most of a composer's training pieces have.
    """

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    usual: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @staticmethod
    def count(categories: Mapping[str, Mapping[str, int]], threshold: int) -> Conditions:
        """From {category: {label: pieces}}; labels with under `threshold` pieces are folded."""
        labels, folded = {}, {}
        for name, counts in categories.items():
            own = sorted(label for label, pieces in counts.items() if pieces >= threshold)
            labels[name] = (NONE, OTHER, *own)
            folded[name] = tuple(sorted(set(counts) - set(own)))
        return Conditions(labels, folded)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of vectors of each category."""
        return {name: len(labels) for name, labels in self.labels.items()}

    @property
    def embedded(self) -> dict[str, tuple[str, ...]]:
        """Category -> the labels with an embedding of their own."""
        return {category: labels[2:] for category, labels in self.labels.items()}

    def id(self, category: str, label: str) -> int:
        """The id of `label`, or of OTHER if it is folded. Raises UnknownNameError if unknown."""
        if category not in self.labels:
            raise UnknownNameError("condition", category, self.labels)
        own, folded = self.labels[category], self.folded.get(category, ())
        found = _same(label, (*own[1:], *folded))
        if found is None:
            raise UnknownNameError(category, label, [*own[2:], *folded])
        return own.index(found) if found in own else 1

    def knows(self, category: str, label: str) -> bool:
        """Whether `id` finds the label."""
        names = (*self.labels[category][1:], *self.folded.get(category, ()))
        return _same(label, names) is not None

    def ids(self, chosen: Mapping[str, str]) -> NDArray[np.int64]:
        """(K,) ids, one per category in order; 0 (unconditional) for categories not in `chosen`."""
        for category in chosen:
            if category not in self.labels:
                raise UnknownNameError("condition", category, self.labels)
        return np.array(
            [self.id(name, chosen[name]) if name in chosen else 0 for name in self.labels], np.int64
        )

    def mixture(self, chosen: Mapping[str, Sequence[tuple[str, float]]]) -> Mixture:
        """Weighted labels per category ({"composer": [("Bach", 0.6), ("Chopin", 0.4)]}).

        Weights are relative. Raises UnknownNameError for an unknown label, UsageError for a
        weight that is not a finite number above 0.
        """
        rows: list[list[tuple[int, float]]] = []
        unknown = set(chosen) - set(self.labels)
        if unknown:
            raise UnknownNameError("condition", sorted(unknown)[0], self.labels)
        for name in self.labels:
            weighted = chosen.get(name, [])
            for label, weight in weighted:
                if not 0 < weight < inf:
                    raise UsageError(
                        f"the weight in {name} {label}:{weight:g} must be a number above 0",
                        "give one such as 0.6, or leave the label out",
                    )
            total = sum(weight for _, weight in weighted)
            rows.append([(self.id(name, label), weight / total) for label, weight in weighted])
        return rows

    def completed(self, chosen: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, str]:
        """The labels that usually go with the first chosen composer, of the other categories.

        Few training rows have a composer without them: a model follows both better than one.
        """
        composers = chosen.get("composer", ())
        name = _same(composers[0][0], tuple(self.usual)) if composers else None
        usual = {} if name is None else self.usual[name]
        return {category: label for category, label in usual.items() if category not in chosen}

    def plain(self) -> dict[str, Any]:
        """JSON-able; `Conditions.read` reads it back."""
        return {
            "usual": {composer: dict(labels) for composer, labels in self.usual.items()},
            "labels": {name: list(labels) for name, labels in self.labels.items()},
            "folded": {name: list(labels) for name, labels in self.folded.items()},
        }

    @staticmethod
    def read(value: Mapping[str, Any]) -> Conditions:
        """The inverse of `plain`."""
        return Conditions(
            {name: tuple(labels) for name, labels in value["labels"].items()},
            {name: tuple(labels) for name, labels in value["folded"].items()},
            value.get("usual", {}),
        )


def _same(label: str, names: Sequence[str]) -> str | None:
    """The element of `names` that is `label`, or the only one without case and accents."""
    if label in names:
        return label
    found = same_spelling(label, names)
    unique = len(found) == 1 or (found and found[0].casefold() == label.casefold())
    return found[0] if unique else None


Mixture = list[list[tuple[int, float]]]  # per category, (id, weight); empty means unconditional


def vector(tables: Sequence[NDArray[np.float32]], mixture: Mixture) -> NDArray[np.float32]:
    """(D,) the condition of one row: the weighted sum of its vectors over all categories.

    `tables[k]` is (labels, D). With weight 1 on one label it equals `Network.condition`.
    """
    total = np.zeros(tables[0].shape[1] if tables else 0, np.float32)
    for table, weighted in zip(tables, mixture, strict=True):
        for index, weight in weighted or [(0, 1.0)]:
            total += np.float32(weight) * table[index]
    return total
