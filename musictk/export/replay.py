"""Step two runtimes through the same sequences, and compare their logits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.model.conditions import Mixture
from musictk.runtime import Runtime, Session
from musictk.tokens import Frames, Space

# (rows, chunks fed at once, single greedy steps after them): none like the export's example.
Script = tuple[int, tuple[int, ...], int]
SCRIPTS: tuple[Script, ...] = ((3, (281, 19), 272), (1, (1, 5), 64))
_STEPS, _ROUNDS = 48, 5  # whose time is measured; one more round comes before


@dataclass(frozen=True)
class Replayed:
    """The difference between two runtimes."""

    steps: int  # positions compared
    difference: float  # the largest between any two logits
    agreement: float  # share of equal greedy choices


def replay(
    candidate: Runtime,
    reference: Runtime,
    tolerance: float,
    seed: int = 0,
    scripts: tuple[Script, ...] = SCRIPTS,
) -> Replayed:
    """Prefill both in chunks, then step both through the reference's greedy choices.

    A script longer than the model's `max_length` is cut. Choices whose logits differ by at most
    `tolerance` in the reference count as equal. Between chunks and steps the rows are reordered, so
    `select` is compared too.
    """
    return replay_all([candidate], reference, tolerance, seed, scripts)[0]


def replay_all(
    candidates: Sequence[Runtime],
    reference: Runtime,
    tolerance: float,
    seed: int = 0,
    scripts: tuple[Script, ...] = SCRIPTS,
) -> list[Replayed]:
    """`replay` of several candidates beside one run of the reference."""
    scores = [
        _play(candidates, reference, script, tolerance, np.random.default_rng(seed))
        for script in scripts
    ]
    return [
        Replayed(
            sum(score.steps for score in parts),
            max(score.difference for score in parts),
            min(score.same / score.choices for score in parts),
        )
        for parts in zip(*scores, strict=True)
    ]


def _play(
    candidates: Sequence[Runtime],
    reference: Runtime,
    script: Script,
    tolerance: float,
    random: np.random.Generator,
) -> list[_Score]:
    """The score of each candidate in one script."""
    (rows, chunks, steps), space = script, reference.manifest.space
    capacity = min(reference.manifest.max_length, sum(chunks) + steps)
    condition = _condition(reference, rows, random)
    theirs = reference.begin(rows, capacity)
    scores = [_Score(each.begin(rows, capacity), space, tolerance) for each in candidates]

    def step(sequence: NDArray[Any]) -> NDArray[np.float32]:
        logits = theirs.step(sequence, condition)
        for score in scores:
            score.step(sequence, condition, logits)
        return logits

    for length in chunks:
        room = capacity - int(theirs.lengths.max())
        if room:
            logits = step(noise(space, rows, min(length, room), random))
    order = list(reversed(range(rows)))
    theirs, logits, condition = theirs.select(order), logits[order], condition[order]
    for score in scores:
        score.session = score.session.select(order)
    for _ in range(capacity - int(theirs.lengths.max())):
        logits = step(greedy(space, logits[:, -1:]))
    return scores


class _Score:
    """Steps a candidate beside the reference, and counts equal choices."""

    def __init__(self, session: Session, space: Space, tolerance: float) -> None:
        self.session = session
        self._frames, self._tolerance = isinstance(space, Frames), tolerance
        self.steps, self.same, self.choices, self.difference = 0, 0, 0, 0.0

    def step(
        self,
        sequence: NDArray[Any],
        condition: NDArray[np.float32],
        theirs: NDArray[np.float32],
    ) -> None:
        """Step; compare with the reference's logits, `theirs`."""
        ours = self.session.step(sequence, condition)
        gap = np.abs(ours - theirs).max()
        self.difference = max(self.difference, float(gap) if np.isfinite(gap) else np.inf)
        agree = self._agree(ours, theirs)
        self.steps += sequence.shape[1]
        self.same += int(agree.sum())
        self.choices += agree.size

    def _agree(self, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(B, T) for tokens, (B, T, W) for frames."""
        if self._frames:
            return ((ours > 0) == (theirs > 0)) | (np.abs(theirs) <= self._tolerance)
        chosen = np.take_along_axis(theirs, ours.argmax(-1)[..., None], -1)[..., 0]
        return chosen >= theirs.max(-1) - self._tolerance


def greedy(space: Space, logits: NDArray[np.float32]) -> NDArray[Any]:
    """(B, T, V) logits -> the most likely (B, T) ids, or (B, T, W) frames."""
    if isinstance(space, Frames):
        return (logits > 0).astype(np.uint8)
    return logits.argmax(-1)


def noise(space: Space, rows: int, length: int, random: np.random.Generator) -> NDArray[Any]:
    """A random sequence of the space."""
    if isinstance(space, Frames):
        return (random.random((rows, length, space.width)) < 0.03).astype(np.uint8)
    return random.integers(0, space.size, (rows, length))


def _condition(runtime: Runtime, rows: int, random: np.random.Generator) -> NDArray[np.float32]:
    """(B, 1, D): the condition vectors of random labels, one of each category for each row."""
    sizes = runtime.manifest.conditions.sizes.values()
    mixtures = [[[(int(random.integers(size)), 1.0)] for size in sizes] for _ in range(rows)]
    return np.stack([runtime.condition(mixture) for mixture in mixtures])[:, None]


def speeds(runtimes: list[Runtime]) -> list[float]:
    """Tokens per second of single steps of one row, medians of interleaved rounds."""
    space = runtimes[0].manifest.space
    capacity = min(runtimes[0].manifest.max_length, _STEPS * (_ROUNDS + 1))
    rounds = min(_ROUNDS, capacity - 1)  # of a model with room for a few positions
    if not rounds:
        return [0.0 for _ in runtimes]
    steps = capacity // (rounds + 1)
    sequence = noise(space, 1, capacity, np.random.default_rng(0))
    measured: list[list[float]] = [[] for _ in runtimes]
    sessions = [runtime.begin(1, capacity) for runtime in runtimes]
    for round_ in range(rounds + 1):
        for runtime, session, times in zip(runtimes, sessions, measured, strict=True):
            nothing: Mixture = [[] for _ in runtime.manifest.conditions.labels]
            condition = runtime.condition(nothing)[None, None]
            start = time.perf_counter()
            for at in range(round_ * steps, (round_ + 1) * steps):
                session.step(sequence[:, at : at + 1], condition)
            times.append((time.perf_counter() - start) / steps)
    return [1 / statistics.median(times[1:]) for times in measured]  # the first round warms up
