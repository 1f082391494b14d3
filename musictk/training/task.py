"""The Task contract: the objective of a run, its batches and its validation.

The loop, checkpoints, parallelism, mixed precision and logging use only this contract. Another
objective (a preference, a reward, a latent plan) is another `Task`, passed to
`musictk.training.loop.train`; the one built in is `musictk.training.language.LanguageModeling`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.training.objective import Objective
from musictk.training.settings import TrainSettings

Costs = Callable[..., Tensor]  # an objective, or its forward method


@dataclass(frozen=True)
class TaskBatch:
    """One process's rows of one forward pass."""

    arrays: tuple[NDArray[Any], ...]  # the arguments of the objective's `forward`
    count: int  # divisor of the summed cost, such as positions; over all processes


@dataclass(frozen=True)
class Validation:
    """The score of the validation split; lower is better."""

    cost: float  # mean per counted position or row; nats in language modelling
    parts: Mapping[str, float] = field(default_factory=dict)  # the same by group, to be logged


class Task(ABC):
    """An objective for one network, and the data that it is trained and validated on.

    Batches are pure functions of the settings and a counter, so a resumed run needs no state of a
    loader. `settings` are those of the run; a task takes from them what it needs.
    """

    def __init__(self, network: Network, manifest: Manifest) -> None:
        """`network` is trained in place and saved as a bundle with `manifest`."""
        self.network, self.manifest = network, manifest

    @property
    @abstractmethod
    def data(self) -> str:
        """A digest of the training data, recorded in the bundle."""

    @abstractmethod
    def objective(self, settings: TrainSettings) -> Objective:
        """The module around `network` whose forward pass maps a batch to costs.

        It is called once per process, after `torch.manual_seed`: parameters that it creates are
        equal in all processes. They are trained, and saved in the checkpoint beside the bundle.
        """

    @abstractmethod
    def batch(self, settings: TrainSettings, draw: int, rows: slice) -> TaskBatch:
        """These rows of the batch number `draw`; equal arguments give equal batches.

        Each forward pass has its own number: step × accumulation + the pass within the step.
        """

    def check(self, settings: TrainSettings) -> None:
        """Raise UsageError where data, network and settings do not fit together."""
        return None

    def baseline(self) -> float | None:
        """The validation cost of a trivial model, for comparison; None where there is none."""
        return None

    @property
    def validates(self) -> bool:
        """Whether there is validation data. If not, the last checkpoint is the best."""
        return True

    def evaluation_batches(self, settings: TrainSettings) -> int:
        """About how many batches `validate` scores; the expected time of a run depends on it."""
        return max(settings.loop.evaluate_batches, 1)

    @abstractmethod
    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        """Score the validation split with `costs`: the objective, in evaluation mode.

        Gradients are off. Called only if `validates`; under FSDP, by every process.
        """
