"""Compare runs on the same pieces: nats per token, per note, per second of music."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.compare import (
    INTERVALS,
    ComparedRun,
    ScoredRun,
    comparable_runs,
    compare_scores,
    deviation,
    mean,
)
from musictk.generation.constraints import writes_drums
from musictk.jobs.bundles import best_of
from musictk.jobs.callbacks import OnRunProgress
from musictk.jobs.corpus import Corpus
from musictk.jobs.data import DataSettings
from musictk.jobs.run_settings import RunSettings, differing, same_but_seed
from musictk.jobs.seen import seen_pieces
from musictk.jobs.sources import metrics_of, settings_of
from musictk.model import bundle
from musictk.model.cost import parameters
from musictk.tokens import Tokenizer
from musictk.training import bands
from musictk.training.distributed import choose_device
from musictk.training.evaluate import Scores, nll
from musictk.workspace import Workspace


@dataclass(frozen=True)
class RunComparison:
    """The compared runs, best first, and why others are left out."""

    runs: list[ComparedRun]
    by_position: Mapping[str, Mapping[str, float]]  # run -> band in a piece -> nats per position
    left_out: Mapping[str, str]
    seen: Mapping[str, int]  # run -> pieces of the split that it was trained on; no run is scored
    settings: Mapping[str, RunSettings]
    equal_tokens: bool  # whether the tokenizers are the same, with equal settings

    @property
    def differing(self) -> list[str]:
        """The names of the settings that are not the same in all compared runs."""
        return differing([self.settings[run.run] for run in self.runs])

    @property
    def groups(self) -> list[list[str]]:
        """The compared runs, those that differ in their seed alone together."""
        return list(same_but_seed({run.run: self.settings[run.run] for run in self.runs}))

    def plain(self) -> list[dict[str, Any]]:
        """JSON-able values of each run."""
        return [
            run.plain()
            | {"by_position": self.by_position[run.run]}
            | self._settings(run.run)
            | {"seed": self.settings[run.run].seed}
            for run in self.runs
        ]

    def plain_groups(self) -> list[dict[str, Any]]:
        """JSON-able values of each group, the best first: means over its runs.

        The keys with `_sd` are sample standard deviations over the runs; None for a single one.
        """
        rows = {run.run: run for run in self.runs}
        found = []
        for names in self.groups:
            runs = [rows[name] for name in names]
            row: dict[str, Any] = {"runs": names, "n": len(names)}
            row |= {key: getattr(runs[0], key) for key in ("tokenizer", "pieces", "works")}
            for key in INTERVALS:
                intervals = [getattr(run, key) for run in runs]
                means = [each.mean for each in intervals if each is not None]
                row |= {key: mean(means), f"{key}_sd": deviation(means)}
            row["parameters"] = runs[0].parameters
            row["positions_per_second"] = mean([run.positions_per_second for run in runs])
            by_band = [self.by_position[name] for name in names]
            row["by_position"] = {key: mean([each[key] for each in by_band]) for key in by_band[0]}
            row |= self._settings(names[0])
            found.append(row | {"seeds": [self.settings[name].seed for name in names]})
        return sorted(found, key=lambda row: row["per_second"] or row["per_token"] or 0.0)

    def _settings(self, run: str) -> dict[str, Any]:
        own = self.settings[run]
        values = {name: own.values.get(name) for name in self.differing}
        return {"arch": own.arch, "size": own.size, "settings": values}


@dataclass
class _NoteCounts:
    """Counts the notes of pieces that a tokenizer encodes."""

    corpus: Corpus
    drums: dict[int, int] = field(default_factory=dict)  # notes of drums, by the id of a piece

    def of(self, tokenizer: Tokenizer, pieces: Sequence[PieceInfo]) -> NDArray[np.int64]:
        """(P,) the notes of each piece, those of drums only if the tokenizer has drums."""
        counts = np.array([piece.notes for piece in pieces])
        if writes_drums(tokenizer):
            return counts
        unread = [piece for piece in pieces if piece.id not in self.drums]
        self.drums |= {piece.id: 0 for piece in unread}
        for piece, score in self.corpus.scores(unread):
            self.drums[piece.id] = sum(len(each.notes) for each in score.tracks if each.is_drum)
        return counts - np.array([self.drums[piece.id] for piece in pieces])


@dataclass(frozen=True)
class _RunScores:
    """A run's scores on the pieces of a split that it was not trained on."""

    scored: ScoredRun
    files: NDArray[np.int64]  # (P,) of the whole split
    scores: Scores  # (P,) of the whole split
    seen: int  # pieces of the split that it was trained on
    fingerprint: str  # of its tokenizer


def compare(
    catalog: Catalog,
    workspace: Workspace,
    runs: Sequence[str],
    split: str = "valid",
    progress: OnRunProgress | None = None,
) -> RunComparison:
    """Compare the best checkpoints of `runs` on the pieces of a split.

    These are the pieces that all of their tokenizers can represent and that none of the runs was
    trained on; the catalog may have been split again since. Without `runs` it compares all
    finished ones that can be compared with the most others. Raises MusictkError naming the run of
    `runs` that cannot be compared.
    """
    if split not in ("valid", "test"):
        raise UsageError(f"runs are compared on valid or test, not {split!r}")
    names = list(dict.fromkeys(runs)) or [run.name for run in catalog.runs("finished")]
    if not names:
        raise MusictkError("there is no finished run yet", "train one with: musictk train")
    corpus = Corpus(catalog, workspace)
    counts = _NoteCounts(corpus)
    found: list[_RunScores] = []
    left_out: dict[str, str] = {}
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), f"scoring {name}")
        try:
            found.append(_score(catalog, workspace, counts, name, split))
        except MusictkError as error:
            if runs:
                raise
            left_out[name] = str(error)
    if not found:
        raise MusictkError(f"no run can be compared: {next(iter(left_out.values()))}")
    scored = [run.scored for run in found]
    kept = scored if runs else comparable_runs(scored)
    for run in scored:
        if all(run is not each for each in kept):
            left_out[run.name] = f"no {split} piece in common with {kept[0].name}"
    names = [run.name for run in kept]
    common = set.intersection(*(run.scored for run in kept))
    return RunComparison(
        runs=compare_scores(kept),
        by_position={
            run.scored.name: _by_position(run, common) for run in found if run.scored.name in names
        },
        left_out=left_out,
        seen={run.scored.name: run.seen for run in found if run.seen},
        settings={name: RunSettings.of(settings_of(catalog, name)) for name in names},
        equal_tokens=len({run.fingerprint for run in found if run.scored.name in names}) == 1,
    )


def _by_position(run: _RunScores, pieces: Collection[int]) -> dict[str, float]:
    """Nats per position over these pieces, by the position's band in its piece."""
    chosen, scores = np.isin(run.files, list(pieces)), run.scores
    found = bands.means(scores.band_nats[chosen].sum(0), scores.band_positions[chosen].sum(0))
    return {name: round(nats, 4) for name, nats in found.items()}


def _score(
    catalog: Catalog, workspace: Workspace, counts: _NoteCounts, run: str, split: str
) -> _RunScores:
    name, directory = best_of(catalog, workspace, run)
    network, manifest = bundle.read(directory)
    tokenizer = manifest.make_tokenizer()
    config, corpus = settings_of(catalog, name), counts.corpus
    crops = corpus.crops(tokenizer, split, manifest.conditions, DataSettings())
    if not crops.positions:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise MusictkError(f"there are no {split} pieces of kind {kinds}", "ingest more files")
    length = config.train_settings.loop.length
    scores = nll(network, crops, 8, length, choose_device(), context=length // 2)
    if not np.isfinite(scores.nats).all():
        raise MusictkError(f"{name} does not score this split with finite numbers", "it diverged")
    pieces = corpus.require(tokenizer.reads)
    files = crops.shard.files.tolist()
    seen = seen_pieces(catalog, name, pieces)
    unseen = [file for file in files if file not in seen]
    if not unseen:
        raise MusictkError(
            f"{name} was trained on every piece of this split",
            "keep the same splits for all runs: do not split the catalog again between them",
        )
    scored = ScoredRun(
        name=name,
        tokenizer=tokenizer.name,
        pieces=tuple(files),
        nats=scores.nats,
        positions=scores.positions,
        notes=counts.of(tokenizer, [pieces[file] for file in files]),
        seconds=np.array([pieces[file].seconds for file in files]),
        parameters=parameters(network),
        clusters=tuple(pieces[file].cluster or str(file) for file in files),
        speed=float(metrics_of(catalog, name).get("positions_per_second", 0.0)),
    )
    known = len(files) - len(unseen)
    return _RunScores(scored.on(unseen), crops.shard.files, scores, known, tokenizer.fingerprint)
