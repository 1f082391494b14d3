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
INTERVALS = (*(f"per_{unit}" for unit in UNITS), "behind")


@dataclass(frozen=True)
class Scored:
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

    def on(self, pieces: Sequence[int]) -> Scored:
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


def compare_scores(scored: Sequence[Scored]) -> list[ComparedRun]:
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


def _cost(run: Scored) -> float:
    """Nats per second of music; per token where the pieces are text and last no time."""
    return float(run.nats.sum() / (run.seconds.sum() or run.positions.sum()))


def comparable(scored: Sequence[Scored]) -> list[Scored]:
    """Those that have pieces in common: as many runs as can be, with the last where it is even."""

    def peers(run: Scored) -> int:
        return sum(not run.scored.isdisjoint(other.scored) for other in scored)

    common = max(reversed(scored), key=peers).scored if scored else set()
    kept = []
    for run in scored:
        if not common.isdisjoint(run.scored):
            common &= run.scored
            kept.append(run)
    return kept


def _common(scored: Sequence[Scored]) -> list[int]:
    kept = [run.name for run in comparable(scored)]
    others = ", ".join(run.name for run in scored if run.name not in kept)
    if others:
        theirs = f"with {', '.join(kept)}" if kept else "to score"
        raise MusictkError(
            f"{others}: no piece in common {theirs}", "compare runs over the same corpus"
        )
    return sorted(set.intersection(*(run.scored for run in scored)))


def _row(run: Scored, best: Scored) -> ComparedRun:
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
