"""All settings of a training run, which are stored with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, ClassVar

from musictk.config import build, plain
from musictk.errors import MusictkError, UnknownNameError
from musictk.jobs.data import DataSettings
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.auto import Rows, choose_settings, intervals
from musictk.training.precision import fastest
from musictk.training.preset import IN_EPOCHS, RENAMED
from musictk.training.settings import TrainSettings


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run. Stored with it, so that it can be resumed and repeated.

    `merge` creates one from flags, files, presets and the run to fine-tune; `fill` chooses the
    settings that they do not give. The field names are the keys of the stored settings.
    """

    RENAMED: ClassVar[Mapping[str, str]] = RENAMED  # old field -> current one

    arch: str = "conformer"
    tokenizer: str = "remi"
    size: str | None = None  # a key of `musictk.model.sizes.SIZES`
    model: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[str, ...] = ("composer",)  # label categories that the model conditions on
    epochs: float | None = None
    evaluate_epochs: float | None = None
    checkpoint_epochs: float | None = None
    start: str | None = None  # the run whose weights are fine-tuned
    lora: int = 0  # rank of the adapters that are trained instead of all weights; 0: none
    sample: Mapping[str, Any] = field(default_factory=dict)  # the bundle's sampling defaults
    export: tuple[str, ...] = ()  # kinds of export to end with
    track: tuple[str, ...] = ()  # trackers that the run is logged to
    sweep: str = ""  # digest of the settings given to a run of a sweep
    shards: Mapping[str, str] = field(default_factory=dict)  # split -> path in the workspace
    windows: int = 1  # `musictk.tokens.crops.VERSION` when the run began; 1 in older runs

    @staticmethod
    def read(values: Mapping[str, Any]) -> RunConfig:
        """The stored settings of a run; the inverse of `musictk.config.plain`.

        Settings that an older musictk did not store have their defaults. Raises MusictkError for a
        setting that only a newer one knows.
        """
        with _stored():
            return build(RunConfig, values, "run")

    @property
    def train_settings(self) -> TrainSettings:
        """The settings of the training loop."""
        with _stored():
            return TrainSettings().but(**self.train)

    @property
    def data_settings(self) -> DataSettings:
        """The settings of weighting and augmentation."""
        with _stored():
            return build(DataSettings, self.data, "data")

    def fill(self, positions: int, pieces: int, device: str, rows: Rows | None = None) -> RunConfig:
        """Choose the size, length, batch and steps that are not given; convert epochs to steps.

        The choice depends on the `device` ("cpu" or "cuda") and on the number of `positions` and
        `pieces` in the training split. `rows` gives the number of crops of a length that cover it;
        by default all crops are full.
        """
        chosen = choose_settings(
            self.arch, positions, device, self.size, self.model, self.train, rows
        )
        kind = registry().load("architecture", self.arch)
        size = self.size or (None if "dim" in self.model else chosen.size)
        config = config_for(kind, size, {**chosen.model, **self.model})
        train = {**chosen.train, **self.train}
        length = min(int(train["length"]), int(config.max_length))
        crops = rows(length) if rows is not None else positions / length
        if self.data_settings.draw == "pieces":
            crops = pieces
        per_step = train["batch"] * train.get("accumulation", 1)
        counted = {
            steps: max(ceil(passes * crops / per_step), 1)
            for name, steps in IN_EPOCHS.items()
            if (passes := getattr(self, name)) is not None
        }
        every = intervals(counted["steps"]) if "steps" in counted else {}
        train = {**train, **every, **self.train, **counted, "length": length}
        if train.get("precision", "auto") == "auto":
            train["precision"] = fastest(device)
        return replace(self, size=size, model=plain(config), train=train)


@contextmanager
def _stored() -> Iterator[None]:
    """Stored names were valid when the run began: an unknown one is from a newer version."""
    try:
        yield
    except UnknownNameError as error:
        what = f"a newer musictk began this run (setting {error.name})"
        raise MusictkError(what, "upgrade musictk") from error
