"""What a training run will do: preset < file < --set < flags, then what suits the machine."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError
from musictk.jobs.corpus import DataSettings
from musictk.model.network import NetworkConfig
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.training.auto import suit
from musictk.training.preset import load_preset
from musictk.training.settings import GROUP_OF, Settings

GROUPS = ("model", "tokens", "network", "train", "data")  # tables of presets, files and --set
NAMES = ("arch", "tokenizer", "size", "epochs", "summary")  # what may stand beside them
Source = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
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
    start: str | None = None
    lora: int = 0

    @staticmethod
    def read(value: Mapping[str, Any]) -> Plan:
        """The inverse of `musictk.config.plain`."""
        return build(Plan, value, "run")

    @property
    def settings(self) -> Settings:
        """What the training loop is given."""
        return Settings().but(**self.train)

    @property
    def shown(self) -> DataSettings:
        """How the corpus is shown."""
        return build(DataSettings, self.data, "data")

    def suited(self, positions: int, device: str) -> Plan:
        """With a size and a length of training that suit the machine and so many positions."""
        chosen = suit(self.arch, positions, device, self.size, self.model, self.train)
        kind = registry().load("architecture", self.arch)
        size = self.size or (None if "dim" in self.model else chosen.size)
        config = config_for(kind, size, {**chosen.model, **self.model})
        train = {**chosen.train, **self.train}
        train["length"] = min(int(train["length"]), int(config.max_length))
        if self.epochs is not None:
            pass_ = train["batch"] * train.get("accumulation", 1) * train["length"]
            train["steps"] = max(ceil(self.epochs * positions / pass_), 1)
        return replace(self, size=size, model=plain(config), train=train)


def plan_for(catalog: Catalog, request: Request) -> Plan:
    """Settle the settings in their order. Raises UnknownNameError for any name that is not."""
    if request.steps is not None and request.epochs is not None:
        raise UsageError("--steps and --epochs cannot both be given", "leave one out")
    sources = [_started(catalog, request), *_preset(request), *_file(request)]
    named = {key: value for source in sources for key, value in source.items() if key in NAMES}
    arch = request.arch or named.get("arch", "conformer")
    tokenizer = request.tokenizer or named.get("tokenizer", "remi")
    groups = _settle([*sources, request.overrides], _keys(arch, tokenizer))
    if request.size is not None:  # the flag goes before the numbers of a preset
        groups["model"] = {k: v for k, v in groups["model"].items() if k not in SIZES["tiny"]}
    epochs = request.epochs if request.epochs is not None else named.get("epochs")
    if request.steps is not None:
        groups["train"]["steps"], epochs = request.steps, None
    if request.seed is not None:
        groups["train"]["seed"] = request.seed
    encoder = registry().load("tokenizer", tokenizer)
    return Plan(
        arch=arch,
        tokenizer=tokenizer,
        size=request.size or named.get("size"),
        model=groups["model"],
        tokens=plain(build(encoder.Config, groups["tokens"], tokenizer)),
        network=groups["network"],
        train=groups["train"],
        data=groups["data"],
        conditions=request.conditions,
        epochs=epochs,
        start=request.start,
        lora=request.lora,
    )


def _settle(sources: Sequence[Source], keys: Mapping[str, set[str]]) -> dict[str, dict[str, Any]]:
    """Every group's values, later sources over earlier ones."""
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for source in sources:
        for group, values in source.items():
            for key, value in values.items() if group not in NAMES else ():
                groups[_group(group, key, keys)][key] = value
    return groups


def _group(group: str, key: str, keys: Mapping[str, set[str]]) -> str:
    """The group a setting belongs to; one given without a group ("") is looked for in all."""
    if group in GROUPS:
        return group
    if group:
        raise UnknownNameError("group of settings", group, (*GROUPS, *NAMES))
    found = [name for name, known in keys.items() if key in known]
    if not found:
        raise UnknownNameError("setting", key, set().union(*keys.values()))
    if len(found) > 1:
        exact = " or ".join(f"{name}.{key}" for name in found)
        raise UsageError(f"{key} is a setting of {' and of '.join(found)}", f"say {exact}")
    return found[0]


def _keys(arch: str, tokenizer: str) -> dict[str, set[str]]:
    """The settings of each group."""
    configs: dict[str, Any] = {
        "model": registry().load("architecture", arch).Config,
        "tokens": registry().load("tokenizer", tokenizer).Config,
        "network": NetworkConfig,
        "data": DataSettings,
    }
    keys = {name: {each.name for each in fields(kind)} for name, kind in configs.items()}
    return {**keys, "train": set(GROUP_OF)}


def _preset(request: Request) -> Iterator[Source]:
    if request.preset is not None:
        yield load_preset(request.preset)


def _file(request: Request) -> Iterator[Source]:
    path = request.config
    if path is None:
        return
    try:
        yield tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _started(catalog: Catalog, request: Request) -> Source:
    """What a fine-tuned run takes over from the run it starts from."""
    if request.start is None:
        if request.lora:
            raise UsageError("--lora adapts a trained model", "name it with --from RUN")
        return {}
    plan = Plan.read(catalog.run(request.start).settings)
    return {
        "arch": plan.arch,
        "tokenizer": plan.tokenizer,
        "size": plan.size,
        "model": plan.model,
        "tokens": plan.tokens,
        "network": plan.network,
        "data": plan.data,
    }
