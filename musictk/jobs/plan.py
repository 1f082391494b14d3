"""What a training run will do: preset < file < --set < flags, then what suits the machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError
from musictk.jobs.corpus import DataSettings
from musictk.model.network import NetworkConfig
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.auto import suit
from musictk.training.preset import load_preset
from musictk.training.settings import GROUP_OF
from musictk.workspace import Workspace

GROUPS = ("model", "tokens", "network", "train", "data")  # of --set, presets and config files
NAMES = ("arch", "tokenizer", "size")  # what presets and config files may name beside them


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
    seed: int = 0
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
    tokenizer_config: Mapping[str, Any]
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

    def suited(self, positions: int, device: str) -> Plan:
        """With a size and a length of training that suit a corpus of so many positions."""
        chosen = suit(self.arch, positions, device, self.size, self.model, self.train)
        train = {**chosen.train, **self.train}
        if self.epochs is not None:
            each = train["batch"] * train.get("accumulation", 1) * train["length"]
            train["steps"] = max(1, round(self.epochs * positions / each))
        kind = registry().load("architecture", self.arch)
        model = plain(config_for(kind, chosen.size, self.model))
        return replace(self, size=chosen.size, model=model, train=train)


def plan_for(catalog: Catalog, request: Request) -> Plan:
    """Settle the settings in their order. Raises UnknownNameError for any name that is not."""
    if request.steps is not None and request.epochs is not None:
        raise UsageError("--steps and --epochs cannot both be given", "leave one out")
    preset = load_preset(request.preset) if request.preset else {}
    file = _file(request.config) if request.config else {}
    named = {**_started(catalog, request), **_names(preset), **_names(file)}
    arch = request.arch or named.get("arch", "conformer")
    tokenizer = request.tokenizer or named.get("tokenizer", "remi")
    configs = _configs(arch, tokenizer)
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for source in (preset, file, request.overrides):
        for group, values in source.items():
            for key, value in values.items() if group not in NAMES else ():
                groups[_group(group, key, configs)][key] = value
    if request.steps is not None:
        groups["train"]["steps"] = request.steps
    groups["train"].setdefault("seed", request.seed)
    return Plan(
        arch=arch,
        tokenizer=tokenizer,
        size=request.size or named.get("size"),
        model=groups["model"],
        tokenizer_config=plain(build(configs["tokens"], groups["tokens"], tokenizer)),
        network=groups["network"],
        train=groups["train"],
        data=groups["data"],
        conditions=request.conditions,
        epochs=request.epochs,
        start=request.start,
        lora=request.lora,
    )


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _started(catalog: Catalog, request: Request) -> dict[str, Any]:
    """What a fine-tuned run takes over from the run it starts from."""
    if request.start is None:
        if request.lora:
            raise UsageError("--lora adapts a trained model", "name it with --from RUN")
        return {}
    plan = Plan.read(catalog.run(request.start).settings)
    return {"arch": plan.arch, "tokenizer": plan.tokenizer, "size": plan.size}


def _names(source: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if key in NAMES}


def _configs(arch: str, tokenizer: str) -> dict[str, type]:
    """The dataclass behind each group of settings."""
    return {
        "model": registry().load("architecture", arch).Config,
        "tokens": registry().load("tokenizer", tokenizer).Config,
        "network": NetworkConfig,
        "data": DataSettings,
    }


def _group(group: str, key: str, configs: Mapping[str, type]) -> str:
    """The group a setting belongs to; one given without a group ("") is looked for in all."""
    if group in GROUPS:
        return group
    if group:
        raise UnknownNameError("group of settings", group, GROUPS)
    keys = {name: {each.name for each in fields(kind)} for name, kind in configs.items()}
    keys["train"] = set(GROUP_OF)
    found = [name for name, known in keys.items() if key in known]
    if not found:
        raise UnknownNameError("setting", key, set().union(*keys.values()))
    if len(found) > 1:
        raise UsageError(f"{key} is a setting of {' and of '.join(found)}", f"say {found[0]}.{key}")
    return found[0]
