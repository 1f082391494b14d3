"""Language modelling: predict the next token, or the next frame, from those before it."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musictk.controls import Controls
from musictk.errors import UsageError
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens.crops import Crops
from musictk.training.baseline import baseline_nll
from musictk.training.evaluate import score
from musictk.training.objective import NextPosition
from musictk.training.settings import TrainSettings
from musictk.training.task import Costs, Task, TaskBatch, Validation

_SUBSETS = 3  # times as many rows have some labels dropped as have all
_DROPPED = 0.35  # of rows: no control is given
_KEPT = 0.5  # of controls, in the other rows


class LanguageModeling(Task):
    """Minimise the nats per position of crops, conditioned on the labels of their pieces."""

    def __init__(self, network: Network, manifest: Manifest, train: Crops, valid: Crops) -> None:
        super().__init__(network, manifest)
        self.train, self.valid = train, valid

    @property
    def data(self) -> str:
        return self.train.shard.digest

    def check(self, settings: TrainSettings) -> None:
        longest = self.network.body.max_length
        if settings.loop.length > longest:
            raise UsageError(
                f"length={settings.loop.length} is more than this network's {longest} positions",
                f"choose at most {longest}",
            )
        for crops in (self.train, self.valid):
            made_by = crops.shard.fingerprint
            if len(crops.shard.files) and made_by != self.manifest.tokenizer_fingerprint:
                raise UsageError(
                    f"shard {crops.shard.path} was not made by this network's tokenizer",
                    f"use {self.manifest.tokenizer!r} with the settings in its manifest",
                )

    def objective(self, settings: TrainSettings) -> NextPosition:
        smoothing = settings.optimisation.label_smoothing
        return NextPosition(self.network, self.manifest.space, smoothing)

    def batch(self, settings: TrainSettings, draw: int, rows: slice) -> TaskBatch:
        loop = settings.loop
        # The first plan: what `replanned` has changed is not known when the next batch is drawn.
        batch, length = loop.rows(draw // loop.accumulation, settings.schedule.steps)
        share = batch // loop.batch
        rows = slice(rows.start * share, rows.stop * share)
        whole = self.train.batch(loop.seed, draw, batch, length)
        rate = settings.optimisation.condition_dropout
        conditions = drop_conditions(whole.conditions, loop.seed, draw, rate)
        bars = whole.bars.max(1, initial=0) + 1
        controls = drop_controls(whole.controls, bars, self.manifest.controls, loop.seed, draw)
        arrays = (whole.inputs, whole.targets, whole.mask, conditions, controls, whole.bars)
        return TaskBatch(tuple(each[rows] for each in arrays), int(whole.mask.sum()))

    def baseline(self) -> float | None:
        if not self.validates:
            return None
        return baseline_nll(_pieces(self.train), _pieces(self.valid), self.manifest.space)

    @property
    def validates(self) -> bool:
        return self.valid.positions > 0

    def evaluation_batches(self, settings: TrainSettings) -> int:
        loop = settings.loop
        everything = ceil(self.valid.covering(loop.length) / loop.batch)
        return min(everything, loop.evaluate_batches or everything)

    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        loop = settings.loop
        scores = score(
            costs,
            self.valid,
            loop.batch,
            loop.length,
            device,
            batches=loop.evaluate_batches,
            precision=settings.precision.precision,
        )
        return Validation(scores.mean, scores.by_position)


def drop_conditions(
    conditions: NDArray[np.int64], seed: int, draw: int, rate: float
) -> NDArray[np.int64]:
    """(B, K) ids with some set to 0, 'unconditional': whole rows with a chance of `rate`.

    With several categories, in `_SUBSETS` times as many rows each label is dropped with a chance of
    a half, so that any subset of them can be given in generation.
    """
    rows, categories = conditions.shape
    random = np.random.default_rng([*b"conditions", seed, draw])
    chance = random.random((rows, categories + 1))
    dropped = chance[:, :1] < rate
    if categories > 1:
        subset = random.random((rows, 1)) < _SUBSETS * rate
        dropped = dropped | (subset & (chance[:, 1:] < 0.5))
    return np.where(dropped, 0, conditions)


def drop_controls(
    ids: NDArray[np.int64],
    bars: NDArray[np.int64],
    controls: Controls,
    seed: int,
    draw: int,
) -> NDArray[np.int64]:
    """(B, N, S) ids with many set to 0, 'not given', so that any subset can be given.

    In some rows all are; in the others each control is given with a chance of a half, in a third of
    these for one run of bars only. `bars` (B,) are those of each row, at most N.
    """
    rows, most, width = ids.shape
    if not width:
        return ids
    rng = np.random.default_rng([*b"controls", seed, draw])
    chance = rng.random((rows, 1 + len(controls.names)))
    chosen = (chance[:, :1] >= _DROPPED) & (chance[:, 1:] < _KEPT)  # (B, controls)
    edges = np.sort(rng.random((rows, len(controls.names), 2)), axis=2)
    whole = rng.random((rows, len(controls.names))) >= 1 / 3
    place = ((np.arange(most) + 0.5) / bars[:, None])[:, None]  # (B, 1, N)
    inside = (place >= edges[..., :1]) & (place < edges[..., 1:])  # (B, controls, N)
    given = chosen[..., None] & (whole[..., None] | inside)
    parts = [len(sizes) for sizes in controls.sizes]
    kept = np.repeat(given, parts, axis=1).transpose(0, 2, 1) | controls.structural
    return ids * kept


def _pieces(crops: Crops) -> Iterator[NDArray[Any]]:
    shard = crops.shard
    return (shard.piece(index) for index in range(len(shard.files)) if shard.lengths[index])
