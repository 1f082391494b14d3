"""Store a classifier of composers: safetensors, with its composers and scores as metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from musictk.evaluation.attribution import Classifier, ClassifierScores
from musictk.evaluation.figures import KINDS, SIZE
from musictk.files import atomic


def write_classifier(path: Path, classifier: Classifier) -> None:
    """Write it atomically, with weights in half precision. Raises WriteError if it cannot."""
    arrays: dict[str, NDArray[Any]] = {
        "rarity": classifier.rarity,
        "weights": classifier.weights.astype(np.float16),
        "bias": classifier.bias,
    }
    facts = {
        "composers": json.dumps(classifier.composers),
        "scores": json.dumps(classifier.scores.plain()),
    }
    with atomic(path, SafetensorError) as temporary:
        save_file(arrays, str(temporary), facts)


def read_classifier(path: Path) -> Classifier | None:
    """A stored classifier; None where there is none, or where it is damaged."""
    try:
        with safe_open(path, "numpy") as stored:
            facts = stored.metadata() or {}
            rarity, weights, bias = map(stored.get_tensor, ("rarity", "weights", "bias"))
        composers = tuple(map(str, json.loads(facts["composers"])))
        scores = ClassifierScores(**json.loads(facts["scores"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    shape = (len(KINDS), SIZE, len(composers))
    if rarity.shape != shape[:2] or weights.shape != shape or bias.shape != shape[2:]:
        return None
    return Classifier(composers, rarity, weights.astype(np.float32), bias, scores)
