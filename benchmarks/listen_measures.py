"""How far a composed piece is from human ones: the measures that `benchmarks.listen` ranks by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.box import HELD_OUT, ends
from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError
from musictk.evaluation.bar_measures import similarity_curve
from musictk.evaluation.excerpts import excerpts
from musictk.evaluation.features import REQUIRED, central_range, features
from musictk.evaluation.reference import FILE, Reference, read_reference
from musictk.jobs.corpus import Corpus
from musictk.jobs.evaluate import form as marked_form
from musictk.jobs.originality import training_reference
from musictk.music import bars, notes
from musictk.rendering.midi import sections
from musictk.runtime import Runtime
from musictk.workspace import Workspace

FURTHER = ("mean pitch", "entropy of a bar (H1)", "groove similarity", "empty bars")
BESIDE, REPEATED, NATS = "bar like the one before", "repeated notes", "nats per token"
REGISTER = ("mean pitch of low bars", "mean pitch of high bars")  # 10th and 90th percentile of bars
EXCERPTS, LEAST = 4, 10  # of a held-out piece, at most; of a composer, or all composers are used
COPIES = "copies more than human music"
FARTHEST = 3.0  # widths of the human range: what is farther counts no more
FAULT, UNLIKE, COPIED = 0.5, 0.5, 2.0  # what each of the other faults adds
MIDDLE = 0.1  # weight of the distance from the median, which decides among pieces in the range
ALIKE = 0.1  # A–A must be above A–B by at least this

Values = dict[str, float]


class Range(NamedTuple):
    """The 10th percentile, median and 90th percentile of held-out human excerpts."""

    low: float
    middle: float
    high: float

    def distance(self, value: float) -> float:
        """How far a value is outside, in widths of the range, at most FARTHEST; 0 inside."""
        outside = max(self.low - value, value - self.high, 0.0)
        return min(outside / self.width, FARTHEST)

    @property
    def width(self) -> float:
        """Never 0: a hundredth of the median at least."""
        return max(self.high - self.low, abs(self.middle) / 100, 1e-3)


@dataclass(frozen=True)
class Human:
    """Held-out music to compare with."""

    ranges: Mapping[str, Range] = field(default_factory=dict)
    ends: Values = field(default_factory=dict)  # shares of the pieces: how they begin and end
    excerpts: int = 0
    whose: str = ""  # a composer, or "all composers"


@dataclass(frozen=True)
class Measured:
    """The measures of a piece, what is wrong with it, and its rank: smaller is better."""

    values: Values
    faults: tuple[str, ...]
    penalty: float
    form: tuple[float, float] | None = None  # A–A and A–B
    ends: Values = field(default_factory=dict)  # of a whole piece: 1 or 0 each


SILENT = Measured({}, ("silent",), float("inf"))


class Likelihood:
    """Nats per token of a model for music with some labels, without any bar controls.

    The first tokens of a piece are scored, as many as a training row has.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tokenizer = runtime.manifest.make_tokenizer()

    def __call__(self, score: ScoreTick, labels: Mapping[str, str]) -> float:
        manifest, space = self._runtime.manifest, self._tokenizer.space
        try:
            whole = self._tokenizer.encode(score)
        except ValueError:
            return float("nan")
        ids = whole[: manifest.trained_length or manifest.max_length]
        known = {name: [(label, 1.0)] for name, label in labels.items()}
        condition = self._runtime.condition(manifest.conditions.mixture(known))
        width = sum(map(len, manifest.controls.sizes))
        if width:
            condition = condition + self._runtime.control(np.zeros((1, width), np.uint8))[0]
        given = np.concatenate([space.start(1)[0], ids[:-1]])[None]
        logits = self._runtime.begin(1, len(ids)).step(given, condition[None, None])[0]
        wide = logits.astype(np.float64)
        total = np.logaddexp.reduce(wide, axis=1) - wide[np.arange(len(ids)), ids]
        return float(total.mean())


@dataclass
class Judge:
    """Measures pieces and compares them with held-out music of a workspace, if there is one."""

    likelihood: Likelihood
    workspace: Workspace | None = None
    bundle: Path | None = None
    _known: dict[tuple[object, ...], Human] = field(default_factory=dict)

    def human(self, labels: Mapping[str, str], length: int) -> Human:
        """The ranges of excerpts of `length` bars with these labels, or of all composers."""
        key = (*sorted(labels.items()), length)
        if key not in self._known:
            self._known[key] = self._read(labels, length)
        return self._known[key]

    def _read(self, labels: Mapping[str, str], length: int) -> Human:
        if self.workspace is None:
            return Human()
        with Catalog.open(self.workspace.catalog_url, self.workspace.root) as catalog:
            corpus = Corpus(catalog, self.workspace)
            pieces = [each for split in HELD_OUT for each in corpus.select({"midi"}, split)]
            other = {name: label for name, label in labels.items() if name != "composer"}
            named = labels.get("composer", "all composers")
            for whose, wanted in ((named, labels), ("all composers", other), ("all composers", {})):
                chosen = [each for each in pieces if _has(each, wanted)]
                found = list(self._values(corpus, chosen, labels, length))
                if len(found) >= LEAST:
                    return Human(_ranges(found), _ends(corpus, chosen), len(found), whose)
        return Human()

    def _values(
        self, corpus: Corpus, pieces: list[PieceInfo], labels: Mapping[str, str], length: int
    ) -> Iterator[Values]:
        for _, score in corpus.scores(pieces):
            if len(notes(score, drums=False)):
                for part in excerpts(score, length, EXCERPTS):
                    yield self.values(part, labels)

    def values(self, score: ScoreTick, labels: Mapping[str, str]) -> Values:
        """The measures that are compared with those of human music."""
        found = features(score)
        values = {name: float(np.asarray(found[name])) for name in (*REQUIRED, *FURTHER)}
        values |= dict(zip(REGISTER, registers(score), strict=True))
        values[BESIDE] = float(np.nan_to_num(similarity_curve(score, 1)[0]))
        values[REPEATED] = repeated(score)
        values[NATS] = self.likelihood(score, labels)
        return values

    def measure(
        self, score: ScoreTick, labels: Mapping[str, str], human: Human, whole: bool = True
    ) -> Measured:
        """All measures of a piece; `whole`: it was composed as a whole, with its own ending."""
        values = self.values(score, labels)
        known = {name: each for name, each in human.ranges.items() if np.isfinite(values[name])}
        distances = {name: each.distance(values[name]) for name, each in known.items()}
        faults = [f"{name} {distance:.1f}" for name, distance in distances.items() if distance > 0]
        middle = [
            min(abs(values[name] - each.middle) / each.width, FARTHEST)
            for name, each in known.items()
        ]
        penalty = sum(distances.values()) + MIDDLE * float(np.sum(middle))
        own = ends(score) if whole else {}
        missing = [name for name, value in own.items() if not value]
        penalty += FAULT * sum(human.ends.get(name, 1.0) for name in missing)
        form = self._form(score) if whole else None
        if form is not None and not form[0] - form[1] >= ALIKE:
            faults.append("A–A like A–B")
            penalty += UNLIKE
        if self._copies(score):
            faults.append(COPIES)
            penalty += COPIED
        faults += [f"not: {name}" for name in missing]
        return Measured(values, tuple(faults), penalty, form, own)

    def _form(self, score: ScoreTick) -> tuple[float, float] | None:
        labels = [each.label.rstrip("'") for each in sections(score)]
        if len(set(labels)) in (0, 1, len(labels)):
            return None  # nothing returns, or nothing else comes
        found = marked_form(score)
        return found.same, found.other

    def _copies(self, score: ScoreTick) -> bool:
        """Whether it shares more with the training pieces than human music of its length does."""
        if self.reference is None or len(notes(score, drums=False)) < 9:
            return False
        shared = self.reference.measure(score)
        human = self.reference.baseline(shared.notes)
        return human is not None and (shared.longest > human.longest or shared.share > human.share)

    @cached_property
    def reference(self) -> Reference | None:
        """The reference of the bundle, else of the workspace; None without either."""
        if self.bundle is not None and (self.bundle / FILE).is_file():
            return read_reference(self.bundle / FILE)
        if self.workspace is None:
            return None
        with Catalog.open(self.workspace.catalog_url, self.workspace.root) as catalog:
            try:
                return training_reference(catalog, self.workspace)
            except MusictkError:
                return None


def registers(score: ScoreTick) -> tuple[float, float]:
    """The 10th and the 90th percentile of the mean pitch of bars, of those in which notes begin.

    A piece whose sections are in two registers can have an ordinary mean pitch.
    """
    found, edges = notes(score, drums=False), bars(score)
    bar = np.searchsorted(edges, found.start, "right") - 1
    counts = np.bincount(bar, minlength=len(edges))
    means = np.bincount(bar, found.pitch, len(edges))[counts > 0] / counts[counts > 0]
    low, high = central_range(means)
    return low, high


def repeated(score: ScoreTick) -> float:
    """The share of notes whose pitch also began at the onset before."""
    found = notes(score, drums=False)
    ticks, onset = np.unique(found.start, return_inverse=True)
    keys = onset.reshape(-1) * 128 + found.pitch
    return float(np.isin(keys - 128, keys).mean()) if len(ticks) else 0.0


def _has(info: PieceInfo, labels: Mapping[str, str]) -> bool:
    """Whether a piece has all these labels."""
    own = {**info.labels, "composer": info.composer or ""}
    return all(own.get(name) == label for name, label in labels.items())


def _ends(corpus: Corpus, pieces: list[PieceInfo]) -> Values:
    """The share of pieces that begin and end as `ends` describes."""
    scores = [corpus.load(info) for info in pieces]
    found = [
        ends(score)
        for score in scores
        if not isinstance(score, str) and len(notes(score, drums=False))
    ]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _ranges(found: list[Values]) -> dict[str, Range]:
    """The range of each measure."""
    made = {}
    for name in found[0]:
        column: NDArray[np.float64] = np.array([each[name] for each in found])
        column = column[np.isfinite(column)]
        if len(column):
            low, high = central_range(column)
            made[name] = Range(low, float(np.median(column)), high)
    return made
