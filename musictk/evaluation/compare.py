"""Compare runs on the pieces that all of them scored. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.evaluation.nll import Interval, difference, per_unit

UNITS = ("token", "note", "second")
INTERVALS = (*(f"per_{unit}" for unit in UNITS), "behind")


@dataclass(frozen=True)
class ScoredRun:
    """The negative log-likelihood of a run's best checkpoint on each piece of a split."""

    name: str
    tokenizer: str
    pieces: tuple[int, ...]  # ids; runs are compared on common ones
    nats: NDArray[np.float64]  # (P,)
    positions: NDArray[np.int64]  # (P,) tokens or frames scored
    notes: NDArray[np.int64]  # (P,) without drums where the tokenizer leaves them out
    seconds: NDArray[np.float64]  # (P,) of music
    parameters: int
    speed: float  # positions per second in training
    clusters: tuple[str, ...] = ()  # (P,) equal for versions of one work; empty: all are distinct

    @property
    def scored(self) -> set[int]:
        """The pieces with something to score."""
        counted = zip(self.pieces, self.positions.tolist(), strict=True)
        return {piece for piece, count in counted if count > 0}

    def on(self, pieces: Sequence[int]) -> ScoredRun:
        """The scores of these pieces only, in this order."""
        place = {piece: index for index, piece in enumerate(self.pieces)}
        rows = np.array([place[piece] for piece in pieces], np.int64)
        return replace(
            self,
            pieces=tuple(pieces),
            nats=self.nats[rows],
            positions=self.positions[rows],
            notes=self.notes[rows],
            seconds=self.seconds[rows],
            clusters=tuple(self.clusters[row] for row in rows) if self.clusters else (),
        )

    def units(self, name: str) -> NDArray[np.float64]:
        """(P,) the number of tokens, notes or seconds of each piece."""
        counts = {"token": self.positions, "note": self.notes, "second": self.seconds}
        return np.asarray(counts[name], np.float64)


@dataclass(frozen=True)
class ComparedRun:
    """A run's nats over the pieces that all compared runs scored; None for text without them."""

    run: str
    tokenizer: str
    pieces: int
    works: int  # versions of one piece count as one work
    per_token: Interval | None
    per_note: Interval | None
    per_second: Interval | None  # of music
    behind: Interval | None  # paired difference per second to the best run
    parameters: int
    positions_per_second: float  # in training

    def plain(self) -> dict[str, Any]:
        """JSON-able values: each mean, and its interval under the key with `_95`."""
        values: dict[str, Any] = {}
        for key, value in vars(self).items():
            if key not in INTERVALS:
                values[key] = value
                continue
            known = isinstance(value, Interval)
            values[key] = round(value.mean, 4) if known else None
            values[f"{key}_95"] = [round(value.low, 4), round(value.high, 4)] if known else None
        return values


def compare_scores(scored: Sequence[ScoredRun]) -> list[ComparedRun]:
    """One row per run, the best (in nats per second of music) first.

    Nats per token are comparable only for one tokenizer with equal settings. Nats per note and per
    second are comparable for all, except that a tokenizer without velocity or tempo has less to
    predict, and one with drums other notes.
    Confidence intervals resample works: the versions of one work (its cluster) are drawn together.
    `behind` is the paired difference per second to the best run; it is significant if its interval
    excludes 0. Text has neither notes nor seconds: those values are None. Raises MusictkError,
    naming the run, where runs have no piece in common.
    """
    common = _common(scored)
    aligned = [run.on(common) for run in scored]
    ranked = sorted(aligned, key=_cost)
    return [_row(run, ranked[0]) for run in ranked]


def mean(values: Sequence[float]) -> float | None:
    """The mean, to four digits; None of no values."""
    return round(float(np.mean(values)), 4) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1), to four digits; None of fewer than two values."""
    return round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None


def _cost(run: ScoredRun) -> float:
    """Nats per second of music; per token for text, which has no duration."""
    return float(run.nats.sum() / (run.seconds.sum() or run.positions.sum()))


def comparable_runs(scored: Sequence[ScoredRun]) -> list[ScoredRun]:
    """A largest set of runs with common pieces; on a tie, one that includes the last run."""

    def peers(run: ScoredRun) -> int:
        return sum(not run.scored.isdisjoint(other.scored) for other in scored)

    common = max(reversed(scored), key=peers).scored if scored else set()
    kept = []
    for run in scored:
        if not common.isdisjoint(run.scored):
            common &= run.scored
            kept.append(run)
    return kept


def _common(scored: Sequence[ScoredRun]) -> list[int]:
    kept = [run.name for run in comparable_runs(scored)]
    others = ", ".join(run.name for run in scored if run.name not in kept)
    if others:
        theirs = f"with {', '.join(kept)}" if kept else "to score"
        raise MusictkError(
            f"{others}: no piece in common {theirs}", "compare runs over the same corpus"
        )
    return sorted(set.intersection(*(run.scored for run in scored)))


def _row(run: ScoredRun, best: ScoredRun) -> ComparedRun:
    def per(unit: str) -> Interval | None:
        counts = run.units(unit)
        return per_unit(run.nats, counts, clusters=run.clusters) if counts.all() else None

    seconds = run.units("second")
    behind = None
    if seconds.all():
        behind = difference(run.nats, best.nats, seconds, clusters=run.clusters)
    return ComparedRun(
        run=run.name,
        tokenizer=run.tokenizer,
        pieces=len(run.pieces),
        works=len(set(run.clusters)) if run.clusters else len(run.pieces),
        per_token=per("token"),
        per_note=per("note"),
        per_second=per("second"),
        behind=behind,
        parameters=run.parameters,
        positions_per_second=round(run.speed, 1),
    )
