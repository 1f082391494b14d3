"""A training run as it was asked for, and as it was settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

from musictk.config import build, plain
from musictk.errors import MusictkError, UnknownNameError
from musictk.jobs.corpus import DataSettings
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.auto import Rows, choose_settings, intervals
from musictk.training.preset import IN_EPOCHS
from musictk.training.settings import TrainSettings


@dataclass(frozen=True)
class TrainRequest:
    """What the user asked for; None is 'choose for me'."""

    arch: str | None = None
    tokenizer: str | None = None
    size: str | None = None
    preset: str | None = None
    steps: int | None = None
    epochs: float | None = None
    conditions: tuple[str, ...] = ("composer",)
    config: Path | None = None
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int | None = None
    device: str = "auto"
    resume: str | None = None
    start: str | None = None  # fine-tune from this run
    lora: int = 0
    export: tuple[str, ...] = ()  # kinds of export to end with


@dataclass(frozen=True)
class Plan:
    """Every setting of a run; kept with it, so that it can be resumed or made again."""

    arch: str
    tokenizer: str
    size: str | None
    model: Mapping[str, Any]
    tokens: Mapping[str, Any]
    network: Mapping[str, Any]
    train: Mapping[str, Any]
    data: Mapping[str, Any]
    conditions: tuple[str, ...]
    epochs: float | None = None
    evaluate_epochs: float | None = None
    checkpoint_epochs: float | None = None
    start: str | None = None
    lora: int = 0
    sample: Mapping[str, Any] = field(default_factory=dict)  # kept in the bundle
    export: tuple[str, ...] = ()
    shards: Mapping[str, str] = field(default_factory=dict)  # split -> its file in the workspace
    windows: int = 1  # musictk.tokens.crops.VERSION where the run began; 1 where nothing says

    @staticmethod
    def read(value: Mapping[str, Any]) -> Plan:
        """The inverse of `musictk.config.plain`; what older versions did not know is as usual."""
        with _of_this_version():
            return build(Plan, value, "run")

    @property
    def settings(self) -> TrainSettings:
        """What the training loop is given."""
        with _of_this_version():
            return TrainSettings().but(**self.train)

    @property
    def shown(self) -> DataSettings:
        """How the corpus is shown."""
        with _of_this_version():
            return build(DataSettings, self.data, "data")

    def suited(self, positions: int, pieces: int, device: str, rows: Rows | None = None) -> Plan:
        """With a size and a length of training that fit the machine and so much music.

        `rows` says how many crops of a length hold the music once. Without it every crop is
        taken to be full.
        """
        chosen = choose_settings(
            self.arch, positions, device, self.size, self.model, self.train, rows
        )
        kind = registry().load("architecture", self.arch)
        size = self.size or (None if "dim" in self.model else chosen.size)
        config = config_for(kind, size, {**chosen.model, **self.model})
        train = {**chosen.train, **self.train}
        train["length"] = min(int(train["length"]), int(config.max_length))
        length = train["length"]
        crops = rows(length) if rows is not None else positions / length
        if self.shown.draw == "pieces":
            crops = pieces
        a_step = train["batch"] * train.get("accumulation", 1)
        counted = {
            steps: max(ceil(passes * crops / a_step), 1)
            for name, steps in IN_EPOCHS.items()
            if (passes := getattr(self, name)) is not None
        }
        every = intervals(counted["steps"]) if "steps" in counted else {}
        train = {**train, **every, **self.train, **counted, "length": train["length"]}
        return replace(self, size=size, model=plain(config), train=train)


@contextmanager
def _of_this_version() -> Iterator[None]:
    """Names were checked when the run began, so one that is unknown now is of a newer version."""
    try:
        yield
    except UnknownNameError as error:
        what = f"a newer musictk began this run (setting {error.name})"
        raise MusictkError(what, "upgrade musictk") from error
