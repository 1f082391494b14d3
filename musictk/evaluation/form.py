"""Measure the form of a piece by the similarity of its sections.

Two bars are compared as sets of (onset, pitch), onsets on a grid of 24 to the whole note, by the F1
score of the two sets: 1 for the same notes at the same positions, 0 for none in common. Two
sections are compared bar by bar, at the best of three alignments (unshifted, or by one bar either
way). A pair of silent bars is skipped; a bar compared with a silent or missing one counts 0. Pitch
is absolute: a section that returns in another key counts as different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.evaluation.bar_measures import GRID
from musictk.generation.form import Form
from musictk.music import bars, notes

_SHIFTS = (0, -1, 1)  # bars

Bar = frozenset[tuple[int, int]]  # (onset on the grid, pitch)
TickSection = tuple[str, int, int]  # label, first tick, tick after the last


@dataclass(frozen=True)
class FormReport:
    """Self-similarity of the sections of a piece.

    `same` and `other` are means over pairs of sections with equal and with different labels;
    primes (A and A') are ignored. `chance` is the mean over all pairs of bars of sections with
    different labels: the similarity due to key, metre and style alone. `copied` is the fraction of
    the bars of returning sections that equal the first section's bar exactly. Values that the form
    does not define are NaN.
    """

    labels: tuple[str, ...]
    similarity: NDArray[np.float64]  # (S, S), 1 on the diagonal
    same: float
    other: float
    chance: float
    copied: float

    @property
    def ratio(self) -> float:
        """`same` / `other`; infinite if only `same` is positive, NaN if both are 0."""
        if self.other == 0:
            return float("inf") if self.same > 0 else float("nan")
        return self.same / self.other


def form_report(score: ScoreTick, sections: Sequence[TickSection]) -> FormReport:
    """Compare the `sections` of `score`, in ticks, with each other. Drum tracks are left out.

    Raises UsageError for fewer than two sections.
    """
    if len(sections) < 2:
        raise UsageError(
            f"{len(sections)} section(s) cannot be compared",
            "give its form, such as --as AABA, or choose a file with section markers",
        )
    split = _bars_of(score, sections)
    size = len(sections)
    similarity = np.ones((size, size))
    for i in range(size):
        for j in range(i):
            similarity[i, j] = similarity[j, i] = section_similarity(split[i], split[j])
    bases = [label.rstrip("'") for label, _, _ in sections]
    pairs = [(i, j) for i in range(size) for j in range(i)]
    return FormReport(
        labels=tuple(label for label, _, _ in sections),
        similarity=similarity,
        same=_mean([similarity[i, j] for i, j in pairs if bases[i] == bases[j]]),
        other=_mean([similarity[i, j] for i, j in pairs if bases[i] != bases[j]]),
        chance=_chance(split, bases),
        copied=_copied(split, bases),
    )


def sections_from_form(score: ScoreTick, form: Form) -> list[TickSection]:
    """The sections of a score without markers: `form`, scaled to its number of bars.

    Raises UsageError where there are fewer bars than sections.
    """
    lines = bars(score)
    fitted = form.fit(len(lines) - 1)
    ends = np.cumsum([section.bars for section in fitted.sections])
    ticks = [int(lines[end]) for end in (0, *ends)]
    return [
        (section.name, start, stop)
        for section, start, stop in zip(fitted.sections, ticks, ticks[1:], strict=False)
    ]


def bar_similarity(one: Bar, other: Bar) -> float:
    """F1 score of two sets of notes that are not both empty."""
    return 2 * len(one & other) / (len(one) + len(other))


def section_similarity(one: Sequence[Bar], other: Sequence[Bar]) -> float:
    """Mean over aligned bars, at the best alignment; 0 where both sections are silent."""
    return max(_aligned(one, other, shift) for shift in _SHIFTS)


def _aligned(one: Sequence[Bar], other: Sequence[Bar], shift: int) -> float:
    """The similarity with bar i of `one` compared with bar i + shift of `other`."""
    silence: Bar = frozenset()
    total, compared = 0.0, 0
    for k in range(min(0, -shift), max(len(one), len(other) - shift)):
        a = one[k] if 0 <= k < len(one) else silence
        b = other[k + shift] if 0 <= k + shift < len(other) else silence
        if a or b:
            total += bar_similarity(a, b)
            compared += 1
    return total / max(compared, 1)


def _bars_of(score: ScoreTick, sections: Sequence[TickSection]) -> list[list[Bar]]:
    """The bars of each section, counted from its beginning even if that is inside a bar."""
    found = notes(score, drums=False)
    lines = bars(score, least=max(end for _, _, end in sections))
    step = 4 * score.ticks_per_quarter / GRID
    split = []
    for _, start, end in sections:
        first = int(np.searchsorted(lines, start + 1, "right")) - 1  # a tick early is on the line
        shift = start - int(lines[first]) if start > lines[first] + 1 else 0
        stop = int(np.searchsorted(lines, end - shift, "left"))
        held: list[set[tuple[int, int]]] = [set() for _ in range(max(stop - first, 1))]
        number = np.searchsorted(lines, found.start - shift, "right") - 1
        inside = (number >= first) & (number < first + len(held))
        number, pitch = number[inside], found.pitch[inside]
        onset = np.round((found.start[inside] - shift - lines[number]) / step).astype(np.int64)
        for bar, place in zip(
            number.tolist(), zip(onset.tolist(), pitch.tolist(), strict=True), strict=True
        ):
            held[bar - first].add(place)
        split.append([frozenset(bar) for bar in held])
    return split


def _chance(split: list[list[Bar]], bases: list[str]) -> float:
    values = [
        bar_similarity(one, other)
        for i, a in enumerate(split)
        for j, b in enumerate(split[:i])
        if bases[i] != bases[j]
        for one in a
        for other in b
        if one or other
    ]
    return _mean(values)


def _copied(split: list[list[Bar]], bases: list[str]) -> float:
    same = []
    for i, base in enumerate(bases):
        first = bases.index(base)
        if first < i:
            pairs = zip(split[first], split[i], strict=False)
            same += [float(one == other) for one, other in pairs if one or other]
    return _mean(same)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
