"""Runs on the same pieces: nats per token, per note, per second of music."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.compare import Scored, compare_scores
from musictk.jobs.bundles import best_of
from musictk.jobs.corpus import DataSettings, require_pieces
from musictk.jobs.plan import Plan
from musictk.jobs.shards import windows
from musictk.model import bundle
from musictk.training.evaluate import nll
from musictk.workspace import Workspace


def compare(
    catalog: Catalog,
    workspace: Workspace,
    runs: Sequence[str],
    split: str = "valid",
    progress: Callable[[float, float, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Score the best checkpoint of each run (by default every finished one) on every piece of a
    split that all of their tokenizers can represent.
    """
    if split not in ("valid", "test"):
        raise UsageError(f"runs are compared on valid or test, not {split!r}")
    names = list(runs) or [run.name for run in catalog.runs("finished")]
    if not names:
        raise MusictkError("there is no finished run yet", "train one with: musictk train")
    scored = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), f"scoring {name}")
        scored.append(_score(catalog, workspace, name, split))
    return compare_scores(scored)


def _score(catalog: Catalog, workspace: Workspace, run: str, split: str) -> Scored:
    name, directory = best_of(catalog, workspace, run)
    network, manifest = bundle.read(directory)
    tokenizer = manifest.make_tokenizer()
    plan = Plan.read(catalog.run(name).settings)
    held = windows(catalog, workspace, tokenizer, split, manifest.conditions, DataSettings())
    if not held.positions:
        raise MusictkError(f"there are no {split} pieces to compare runs on", "ingest more files")
    length = plan.settings.loop.length
    scores = nll(network, held, 8, length, context=length // 2)
    pieces = require_pieces(catalog, tokenizer.reads)
    files = held.shard.files.tolist()
    return Scored(
        name=name,
        pieces=tuple(files),
        nats=scores.nats,
        positions=scores.positions,
        notes=np.array([pieces[file].notes for file in files]),
        seconds=np.array([pieces[file].seconds for file in files]),
        parameters=sum(each.numel() for each in network.parameters()),
        speed=float(catalog.run(name).metrics.get("positions_per_second", 0.0)),
    )
