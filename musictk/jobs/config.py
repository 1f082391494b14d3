"""All settings of a training run, which are stored with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from typing import Any, ClassVar, Protocol

from musictk.config import build, plain
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.jobs.data import DataSettings
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.auto import (
    CPU_MODEL,
    Paces,
    Rows,
    choose_settings,
    intervals,
    this_machine,
)
from musictk.training.pace import Pace
from musictk.training.precision import fastest
from musictk.training.preset import IN_EPOCHS
from musictk.training.recipe import recipe_for
from musictk.training.settings import TrainSettings
from musictk.training.threads import all_threads, given_threads

MEASURED = 30  # steps: the time of a shorter run is not worth measuring
SLACK = 1.25  # of the shortest time that is recommended


class Timer(Protocol):
    """Measures how long the parts of a run take."""

    device: str

    def pace(self, config: RunConfig) -> Pace:
        """The pace of a run with these settings, which `fill` has completed."""

    def threads(self, config: RunConfig) -> int:
        """The number of threads that it is fastest with."""

    def elapsed(self) -> float:
        """Seconds since the command began."""


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run. Stored with it, so that it can be resumed and repeated.

    `merge` creates one from flags, files, presets and the run to fine-tune; `fill` chooses the
    settings that they do not give. The field names are the keys of the stored settings.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"windows": "crops_version"}  # old field -> current one

    arch: str = "gpt"  # learns most in a given time: see docs/benchmarks.md
    tokenizer: str = "remi"
    size: str | None = None  # a key of `musictk.model.sizes.SIZES`
    model: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[str, ...] = ("composer",)  # label categories that the model conditions on
    controls: tuple[str, ...] | None = None  # bar controls of the model; None: all that apply
    minutes: float | None = None  # that the whole run was to take
    epochs: float | None = None
    evaluate_epochs: float | None = None
    checkpoint_epochs: float | None = None
    recipe: bool = True  # what is not given is from `musictk.training.recipe`; presets have it off
    start: str | None = None  # the run whose weights are fine-tuned
    lora: int = 0  # rank of the adapters that are trained instead of all weights; 0: none
    sample: Mapping[str, Any] = field(default_factory=dict)  # the bundle's sampling defaults
    export: tuple[str, ...] = ()  # kinds of export to end with
    track: tuple[str, ...] = ()  # trackers that the run is logged to
    sweep: str = ""  # digest of the settings given to a run of a sweep
    shards: Mapping[str, str] = field(default_factory=dict)  # split -> path in the workspace
    budget: float | None = None  # seconds that the steps were chosen for, by measured speed
    pace: Mapping[str, float] = field(default_factory=dict)  # measured: fields of `Pace`
    crops_version: int = 1  # `musictk.tokens.crops.VERSION` when the run began; 1 in older runs

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

    def fill(
        self,
        positions: int,
        pieces: int,
        device: str,
        rows: Rows | None = None,
        timer: Timer | None = None,
    ) -> RunConfig:
        """Choose the size, length, batch and steps that are not given; convert epochs to steps.

        The choice depends on the `device` ("cpu" or "cuda"), on the number of `positions` and
        `pieces` in the training split, and on the speed that the `timer` measures. `rows` gives the
        number of crops of a length that cover it; by default all crops are full. Raises UsageError
        if `minutes` are too few for one evaluation.
        """
        given = dict(self.train)
        if given.get("precision", "auto") == "auto":
            given["precision"] = fastest(device)
        given["threads"] = given.get("threads") or given_threads(device, this_machine().cores)
        base = replace(self, train=given)
        if self.recipe:
            advice = recipe_for(registry().load("architecture", self.arch), self.model, given)
            base = replace(
                self, model={**advice.model, **self.model}, train={**advice.train, **given}
            )
        paces, left = None, None
        if timer is not None:
            paces = base._paces(timer)
        if self.minutes is not None:
            left = partial(_left, self.minutes, timer)
        chosen = choose_settings(
            self.arch, positions, device, self.size, base.model, base.train, rows, paces, left
        )
        train = {**chosen.train, **base.train}
        filled = base._with(chosen.size, {**chosen.model, **base.model}, train)
        filled = filled._count_epochs(pieces, positions, rows, base.train)
        filled = replace(filled, budget=chosen.seconds)
        if timer is None or (filled.train["steps"] < MEASURED and self.minutes is None):
            return filled._with_threads(all_threads())
        pace = timer.pace(filled)
        if self.minutes is not None:
            _require_enough(self.minutes, timer.elapsed(), pace)
        return replace(filled._with_threads(timer.threads(filled)), pace=asdict(pace))

    def _with_threads(self, count: int) -> RunConfig:
        """With so many threads unless a number is given."""
        return replace(self, train={**self.train, "threads": self.train["threads"] or count})

    def _paces(self, timer: Timer) -> Paces:
        """The pace of a size with the settings that would be chosen with it."""

        def pace(size: str, shape: Mapping[str, Any]) -> Pace:
            model = {**(CPU_MODEL if "cpu" in timer.device else {}), **self.model}
            return timer.pace(self._with(size, model, {**shape, **self.train}))

        return pace

    def _with(
        self, size: str | None, model: Mapping[str, Any], train: Mapping[str, Any]
    ) -> RunConfig:
        """With the configuration of the network, and crops that are not longer than it allows."""
        kind = registry().load("architecture", self.arch)
        size = self.size or (None if "dim" in self.model else size)
        config = config_for(kind, size, model)
        wanted = self.train.get("length", 0)
        if wanted > config.max_length:
            raise UsageError(
                f"train.length={wanted} is more than model.max_length={config.max_length}",
                "give a smaller length, or set model.max_length too",
            )
        length = min(int(train["length"]), int(config.max_length))
        return replace(self, size=size, model=plain(config), train={**train, "length": length})

    def _count_epochs(
        self, pieces: int, positions: int, rows: Rows | None, given: Mapping[str, Any]
    ) -> RunConfig:
        """With steps where passes over the corpus were given."""
        length = self.train["length"]
        crops = rows(length) if rows is not None else positions / length
        if self.data_settings.draw == "pieces":
            crops = pieces
        per_step = self.train["batch"] * self.train.get("accumulation", 1)
        counted = {
            steps: max(ceil(passes * crops / per_step), 1)
            for name, steps in IN_EPOCHS.items()
            if (passes := getattr(self, name)) is not None
        }
        every = intervals(counted["steps"]) if "steps" in counted else {}
        train = {**self.train, **every, **given, **counted, "length": length}
        return replace(self, train=train)


def _left(minutes: float, timer: Timer | None) -> float:
    """Seconds that are left of the given time."""
    return 60 * minutes - (timer.elapsed() if timer is not None else 0.0)


def _require_enough(minutes: float, elapsed: float, pace: Pace) -> None:
    """Raise UsageError if what is left of the time is too short for one evaluation."""
    if 60 * minutes - elapsed >= pace.shortest:
        return
    shortest = ceil(10 * SLACK * (elapsed + pace.shortest) / 60) / 10
    raise UsageError(
        f"{minutes:g} minutes are too short for one evaluation",
        f"the shortest that works here is --minutes {shortest:g}",
    )


@contextmanager
def _stored() -> Iterator[None]:
    """Stored names were valid when the run began: an unknown one is from a newer version."""
    try:
        yield
    except UnknownNameError as error:
        what = f"a newer musictk began this run (setting {error.name})"
        raise MusictkError(what, "upgrade musictk") from error
