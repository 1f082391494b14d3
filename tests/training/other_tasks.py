"""Two training tasks that are not language modelling, over the music of the small run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from musictk.model.manifest import Manifest
from musictk.model.network import Network, loss
from musictk.tokens import Space
from musictk.tokens.crops import Crops
from musictk.training.devices import tensors
from musictk.training.objective import Objective
from musictk.training.settings import TrainSettings
from musictk.training.task import Costs, Task, TaskBatch, Validation


class Preferring(Objective):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, eq. 7)."""

    def __init__(self, network: Network, reference: Network, space: Space) -> None:
        super().__init__(network)
        self.reference = reference.requires_grad_(False)
        self.space = space

    def forward(self, better: Tensor, worse: Tensor, conditions: Tensor) -> Tensor:
        """(B, T+1) ids of each pair and (B, K) labels -> (B,) costs."""
        pair = torch.cat([better, worse])
        labels = torch.cat([conditions, conditions])
        ours = self._nats(self.network, pair, labels)
        with torch.no_grad():
            theirs = self._nats(self.reference, pair, labels)
        good, bad = (theirs - ours).chunk(2)
        return -F.logsigmoid(0.5 * (good - bad))

    def _nats(self, network: nn.Module, ids: Tensor, conditions: Tensor) -> Tensor:
        """(2B,) nats of whole rows."""
        model: Any = network
        inputs, targets = ids[:, :-1], ids[:, 1:]
        state = model.begin(len(ids), 0)
        logits, _ = model(inputs, model.condition(conditions), state)
        return loss(logits, targets, self.space).sum(1)


class Preference(Task):
    """Prefer original music to the same music with shuffled tokens."""

    def __init__(
        self, network: Network, manifest: Manifest, train: Crops, valid: Crops, reference: Network
    ) -> None:
        super().__init__(network, manifest)
        self.train, self.valid, self.reference = train, valid, reference

    @property
    def data(self) -> str:
        return "pairs"

    def objective(self, settings: TrainSettings) -> Preferring:
        return Preferring(self.network, self.reference, self.manifest.space)

    def batch(self, settings: TrainSettings, draw: int, rows: slice) -> TaskBatch:
        arrays = self._pairs(self.train, settings, draw)
        return TaskBatch(tuple(each[rows] for each in arrays), settings.loop.batch)

    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        pairs = self._pairs(self.valid, settings, 0)
        return Validation(float(costs(*tensors(pairs, device)).mean()))

    def _pairs(self, crops: Crops, settings: TrainSettings, draw: int) -> tuple[NDArray[Any], ...]:
        loop = settings.loop
        crop = crops.batch(loop.seed, draw, loop.batch, loop.length)
        better = np.concatenate([crop.inputs, crop.targets[:, -1:]], 1)
        worse = np.random.default_rng([loop.seed, draw]).permuted(better, axis=1)
        return better, worse, crop.conditions


class Regressing(Objective):
    """The squared error of a linear map of the mean logits; it has its own parameters."""

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__(network)
        self.head = nn.Linear(classes, 1)
        self.passes: Tensor
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, inputs: Tensor, conditions: Tensor, values: Tensor) -> Tensor:
        """(B, T) ids or (B, T, W) frames, (B, K) labels and (B,) values -> (B,) costs."""
        if self.training:
            self.passes += 1
        state = self.network.begin(len(inputs), 0)
        logits, _ = self.network(inputs, self.network.condition(conditions), state)
        found = self.head(logits.mean(1))[:, 0]
        return (found - values) ** 2


class Regression(Task):
    """Predict the mean of a crop's ids."""

    def __init__(self, network: Network, manifest: Manifest, train: Crops, valid: Crops) -> None:
        super().__init__(network, manifest)
        self.train, self.valid = train, valid

    @property
    def data(self) -> str:
        return self.train.shard.digest

    def objective(self, settings: TrainSettings) -> Regressing:
        return Regressing(self.network, self.network.head.linear.out_features)

    def batch(self, settings: TrainSettings, draw: int, rows: slice) -> TaskBatch:
        arrays = self._rows(self.train, settings, draw)
        return TaskBatch(tuple(each[rows] for each in arrays), settings.loop.batch)

    def baseline(self) -> float | None:
        return 1.0

    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        each = costs(*tensors(self._rows(self.valid, settings, 0), device))
        return Validation(float(each.mean()), {"largest": float(each.max())})

    def _rows(self, crops: Crops, settings: TrainSettings, draw: int) -> tuple[NDArray[Any], ...]:
        loop = settings.loop
        crop = crops.batch(loop.seed, draw, loop.batch, loop.length)
        return crop.inputs, crop.conditions, crop.inputs.mean(1, dtype=np.float32) / 64 - 1
