"""The settings of a run that `train --set` accepts, with their defaults and valid values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from musictk.config import default_of, settings_of, valid_values
from musictk.errors import MusictkError
from musictk.generation.sampling import Sampling
from musictk.jobs.config import RunConfig
from musictk.jobs.data import DataSettings
from musictk.model.network import NetworkConfig
from musictk.model.sizes import BACKBONE, SIZES
from musictk.plugin import registry
from musictk.training.preset import GROUPS as PRESET_GROUPS
from musictk.training.preset import load_preset
from musictk.training.settings import GROUPS, TrainSettings


@dataclass(frozen=True)
class Setting:
    """One setting: `--set KEY=VALUE`, or of a sampler `--sampler KEY=VALUE`."""

    key: str  # such as "train.lr", or "top-k:k" of a sampler
    default: Any  # ready for JSON
    values: str  # its type and valid values, in words
    help: str  # one sentence
    needs: str  # what it depends on, such as "CUDA"; "" for nothing
    automatic: bool  # `musictk train` chooses it for the machine and the corpus
    section: str  # its part of a page: "optimisation", "data", "architecture gpt"

    @property
    def name(self) -> str:
        """The key without its group."""
        return re.split("[.:]", self.key, maxsplit=1)[1]

    @property
    def shown_default(self) -> str:
        """The default as `--set` takes it, or "automatic"."""
        return "automatic" if self.automatic else as_typed(self.default)


def as_typed(value: Any) -> str:
    """A value, ready for JSON, as `--set` takes it: text as it is, else TOML."""
    return value if isinstance(value, str) else json.dumps(value)


def setting_types(arch: str, tokenizer: str) -> Mapping[str, type]:
    """The dataclass of each group of settings, by its name.

    Raises UnknownNameError for an unknown architecture or tokenizer.
    """
    return {
        "model": registry().load("architecture", arch).Config,
        "tokens": registry().load("tokenizer", tokenizer).Config,
        **_COMMON,
    }


def list_settings(arch: str | None = None, tokenizer: str | None = None) -> list[Setting]:
    """The settings of every run, and those of an architecture and a tokenizer."""
    found = common_settings()
    found += architecture_settings(arch) if arch else []
    return found + (tokenizer_settings(tokenizer) if tokenizer else [])


def search_settings(settings: Iterable[Setting], words: Iterable[str]) -> list[Setting]:
    """The settings whose key, help or section has all `words`, in any case."""
    folded = [word.casefold() for word in words]

    def matches(setting: Setting) -> bool:
        text = f"{setting.key} {setting.help} {setting.section}".casefold()
        return all(word in text for word in folded)

    return [setting for setting in settings if matches(setting)]


def common_settings() -> list[Setting]:
    """The settings of every run, whatever its architecture and tokenizer."""
    found: list[Setting] = []
    for group, kind in _COMMON.items():
        if kind is TrainSettings:
            for section, part in GROUPS.items():
                found += _settings(group, part, section)
        else:
            found += _settings(group, kind, _SECTIONS[group])
    return found


def architecture_settings(name: str) -> list[Setting]:
    """The settings of an architecture."""
    kind = registry().load("architecture", name).Config
    return list(_settings("model", kind, f"architecture {name}"))


def tokenizer_settings(name: str) -> list[Setting]:
    """The settings of a tokenizer."""
    kind = registry().load("tokenizer", name).Config
    return list(_settings("tokens", kind, f"tokenizer {name}"))


def sampler_settings(name: str) -> list[Setting]:
    """The settings of a sampler."""
    kind = registry().load("sampler", name).Config
    return list(_settings(name, kind, f"sampler {name}", ":"))


_LISTS = {
    "architecture": architecture_settings,
    "tokenizer": tokenizer_settings,
    "sampler": sampler_settings,
}
CONFIGURED = tuple(_LISTS)  # the kinds of component that have settings


def component_settings(
    kind: str, failed: Callable[[MusictkError], None] = lambda error: None
) -> Mapping[str, list[Setting]]:
    """The settings of all components of a kind, by name, without those that do not load."""
    found = {}
    for offer in registry().offers(kind):
        try:
            found[offer.name] = _LISTS[kind](offer.name)
        except MusictkError as error:
            failed(error)
    return found


def preset_settings(name: str) -> tuple[str, str, Mapping[str, Any]]:
    """The architecture and the tokenizer of a preset, and its values by key ("train.lr")."""
    preset = load_preset(name)
    values = {
        f"{group}.{key}": value
        for group in PRESET_GROUPS
        for key, value in preset.get(group, {}).items()
    }
    if size := preset.get("size"):
        values = {f"model.{key}": value for key, value in SIZES[size].items()} | values
    return preset.get("arch", RunConfig.arch), preset.get("tokenizer", RunConfig.tokenizer), values


def _settings(group: str, kind: type, section: str, sign: str = ".") -> Iterator[Setting]:
    shared = BACKBONE if group == "model" else {}
    for name, own in settings_of(kind).items():
        info = own or shared.get(name)
        yield Setting(
            f"{group}{sign}{name}",
            default_of(kind, name),
            valid_values(kind, name, info),
            info.help if info else "",
            info.needs if info else "",
            info is not None and info.automatic,
            section,
        )


_COMMON: Mapping[str, type] = {
    "train": TrainSettings,
    "data": DataSettings,
    "network": NetworkConfig,
    "sample": Sampling,
}
_SECTIONS = {"data": "data", "network": "network", "sample": "sampling"}
