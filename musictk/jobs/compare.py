"""Runs on the same pieces: nats per token, per note, per second of music."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.compare import ScoredRun, comparable_runs, compare_scores
from musictk.jobs.bundles import best_of
from musictk.jobs.corpus import DataSettings, require_pieces
from musictk.jobs.plan import Plan
from musictk.jobs.shards import crops
from musictk.model import bundle
from musictk.model.cost import parameters
from musictk.training import bands
from musictk.training.distributed import choose_device
from musictk.training.evaluate import Scores, nll
from musictk.workspace import Workspace

Costs = tuple[NDArray[np.int64], Scores]  # the files that were scored, and what they cost


@dataclass(frozen=True)
class RunComparison:
    """A row a run, the best first, and why other runs have none."""

    rows: list[dict[str, Any]]
    left_out: Mapping[str, str]
    heard: Mapping[str, int]  # run -> pieces of the split that it was trained on, which none scores


def compare(
    catalog: Catalog,
    workspace: Workspace,
    runs: Sequence[str],
    split: str = "valid",
    progress: Callable[[float, float, str], None] | None = None,
) -> RunComparison:
    """Score the best checkpoint of each run on every piece of a split that all of their tokenizers
    can represent, and that none of them was trained on: splits may have been dealt anew since.

    Runs that are named are all compared, or it raises MusictkError naming the one that cannot be.
    Without names it is every finished run that can be compared with the most others.
    """
    if split not in ("valid", "test"):
        raise UsageError(f"runs are compared on valid or test, not {split!r}")
    names = list(runs) or [run.name for run in catalog.runs("finished")]
    if not names:
        raise MusictkError("there is no finished run yet", "train one with: musictk train")
    scored: list[ScoredRun] = []
    costs: dict[str, Costs] = {}
    heard: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), f"scoring {name}")
        try:
            run, costs[run.name], many = _score(catalog, workspace, name, split)
            scored.append(run)
            heard |= {name: many} if many else {}
        except MusictkError as error:
            if runs:
                raise
            left_out[name] = str(error)
    if not scored:
        raise MusictkError(f"no run can be compared: {next(iter(left_out.values()))}")
    kept = scored if runs else comparable_runs(scored)
    for run in scored:
        if all(run is not each for each in kept):
            left_out[run.name] = f"no {split} piece in common with {kept[0].name}"
    rows = compare_scores(kept)
    common = set.intersection(*(run.scored for run in kept))
    for row in rows:
        row["by_position"] = _by_position(costs[row["run"]], common)
    return RunComparison(rows, left_out, heard)


def _by_position(costs: Costs, pieces: Collection[int]) -> dict[str, float]:
    """Nats per position over some of the pieces, by where in a piece the position is."""
    files, scores = costs
    chosen = np.isin(files, list(pieces))
    found = bands.means(scores.band_nats[chosen].sum(0), scores.band_positions[chosen].sum(0))
    return {name: round(nats, 4) for name, nats in found.items()}


def _heard(catalog: Catalog, run: str, pieces: Mapping[int, PieceInfo]) -> set[int]:
    """The pieces that a run, or one it started from, was trained on, and their twins."""
    files: set[int] = set()
    name: str | None = run
    while name is not None:
        plan = Plan.read(catalog.run(name).settings)
        spans = catalog.spans_at(plan.shards.get("train", ""))
        files |= {span.file_id for span in spans if not span.skipped}
        name = plan.start
    twins = {piece.cluster for piece in pieces.values() if piece.id in files} - {None}
    return files | {piece.id for piece in pieces.values() if piece.cluster in twins}


def _score(
    catalog: Catalog, workspace: Workspace, run: str, split: str
) -> tuple[ScoredRun, Costs, int]:
    """What a run costs on each piece it has not heard, in whole and by position, and how many
    pieces of the split it has heard."""
    name, directory = best_of(catalog, workspace, run)
    network, manifest = bundle.read(directory)
    tokenizer = manifest.make_tokenizer()
    plan = Plan.read(catalog.run(name).settings)
    held = crops(catalog, workspace, tokenizer, split, manifest.conditions, DataSettings())
    if not held.positions:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(f"there are no {split} pieces of kind {kinds}", "ingest more files")
    length = plan.settings.loop.length
    scores = nll(network, held, 8, length, choose_device(), context=length // 2)
    if not np.isfinite(scores.nats).all():
        raise MusictkError(f"{name} does not score this split with finite numbers", "it diverged")
    pieces = require_pieces(catalog, tokenizer.reads)
    files = held.shard.files.tolist()
    heard = _heard(catalog, name, pieces)
    kept = [file for file in files if file not in heard]
    if not kept:
        raise MusictkError(
            f"{name} was trained on every piece of this split", "deal no splits between runs"
        )
    scored = ScoredRun(
        name=name,
        tokenizer=tokenizer.name,
        pieces=tuple(files),
        nats=scores.nats,
        positions=scores.positions,
        notes=np.array([pieces[file].notes for file in files]),
        seconds=np.array([pieces[file].seconds for file in files]),
        parameters=parameters(network),
        clusters=tuple(pieces[file].cluster or str(file) for file in files),
        speed=float(catalog.run(name).metrics.get("positions_per_second", 0.0)),
    )
    return scored.on(kept), (held.shard.files, scores), len(files) - len(kept)
