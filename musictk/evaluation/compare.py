"""Runs side by side, on the pieces that all of them scored. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.evaluation.nll import Interval, difference, per_unit

UNITS = ("token", "note", "second")


@dataclass(frozen=True)
class ScoredRun:
    """What a run's best checkpoint costs on each piece of a split."""

    name: str
    tokenizer: str
    pieces: tuple[int, ...]  # ids; runs are compared where these agree
    nats: NDArray[np.float64]  # (P,)
    positions: NDArray[np.int64]  # (P,) tokens or frames scored
    notes: NDArray[np.int64]  # (P,)
    seconds: NDArray[np.float64]  # (P,) of music
    parameters: int
    speed: float  # positions a second in training
    clusters: tuple[str, ...] = ()  # (P,) equal for versions of one work; empty: all are apart

    @property
    def scored(self) -> set[int]:
        """The pieces with something to score."""
        counted = zip(self.pieces, self.positions.tolist(), strict=True)
        return {piece for piece, count in counted if count > 0}

    def on(self, pieces: Sequence[int]) -> ScoredRun:
        """The same for these pieces only, in this order."""
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
        """(P,) how many tokens, notes or seconds each piece has."""
        counts = {"token": self.positions, "note": self.notes, "second": self.seconds}
        return np.asarray(counts[name], np.float64)


def compare_scores(scored: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """One row a run, the best (per second of music) first.

    Nats per token mean something only under one tokenizer. Per note and per second compare any,
    but a tokenizer pays nothing for what it leaves out: of one that knows no velocity or no tempo,
    fewer nats say partly that less was to be said.
    Intervals resample works: the versions of one work (its cluster) are drawn together.
    `behind` is the paired difference per second to the best run: an interval that leaves out 0 is
    one that the choice of pieces does not explain. Text has neither notes nor seconds: None there.
    Raises MusictkError, naming the run, where no piece is common.
    """
    common = _common(scored)
    aligned = [run.on(common) for run in scored]
    ranked = sorted(aligned, key=_cost)
    return [_row(run, ranked[0]) for run in ranked]


def _cost(run: ScoredRun) -> float:
    """Nats per second of music; per token where the pieces are text and last no time."""
    return float(run.nats.sum() / (run.seconds.sum() or run.positions.sum()))


def comparable_runs(scored: Sequence[ScoredRun]) -> list[ScoredRun]:
    """Those that have pieces in common: as many runs as can be, with the last where it is even."""

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


def _row(run: ScoredRun, best: ScoredRun) -> dict[str, Any]:
    works = len(set(run.clusters)) if run.clusters else len(run.pieces)
    row: dict[str, Any] = {"run": run.name, "tokenizer": run.tokenizer}
    row |= {"pieces": len(run.pieces), "works": works}
    for unit in UNITS:
        counts = run.units(unit)
        row |= _shown(f"per_{unit}", _per(run, counts) if counts.all() else None)
    counts = run.units("second")
    behind = (
        difference(run.nats, best.nats, counts, clusters=run.clusters) if counts.all() else None
    )
    row |= _shown("behind", behind)
    return row | {"parameters": run.parameters, "positions_per_second": round(run.speed, 1)}


def _per(run: ScoredRun, counts: NDArray[np.float64]) -> Interval:
    return per_unit(run.nats, counts, clusters=run.clusters)


def _shown(name: str, interval: Interval | None) -> dict[str, Any]:
    if interval is None:
        return {name: None, f"{name}_95": None}
    return {
        name: round(interval.mean, 4),
        f"{name}_95": [round(interval.low, 4), round(interval.high, 4)],
    }
