"""Components that plugins offer, and the check of their contracts. Loads no torch, no miditok."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from reprlib import repr as brief
from typing import Any

from musictk.config import build, default_fault
from musictk.errors import MusictkError

KINDS = ("tokenizer", "architecture", "control", "sampler", "runtime", "tracker")
SEPARATORS = "=:,|"  # of names and values on the command line
MOST_VALUES = 255  # of a control: ids are bytes, and 0 is "not given"

# What musictk creates a component with; one of the first three has a Config.
ARGUMENTS = {
    "tokenizer": ("config", "learned"),
    "architecture": ("config",),
    "sampler": ("config", "tokenizer"),
    "control": (),
    "runtime": (),
    "tracker": (),
}

# The class that a component is a subclass of. It is imported only when a component is loaded.
BASES = {
    "tokenizer": ("musictk.tokens", "Tokenizer"),
    "architecture": ("musictk.model.contract", "Architecture"),
    "control": ("musictk.controls", "Control"),
    "sampler": ("musictk.generation", "Sampler"),
    "runtime": ("musictk.runtime", "Loader"),
    "tracker": ("musictk.training.tracking", "Tracker"),
}
SIZES = ("dim", "depth", "heads", "dropout", "max_length")  # required of an architecture's Config

# Names of the plugin contract before 0.2.0: a component that defines one would lose its effect.
RENAMED = {
    "tokenizer": {"louder": "shift_velocity", "metres": "attributes", "pitches": "attributes"},
    "architecture": {"stream": "input_std"},
}


@dataclass(frozen=True)
class Offer:
    """One component that one plugin offers."""

    kind: str
    name: str
    target: str  # "module:attribute"
    summary: str
    origin: str  # the plugin's entry point name and distribution, such as "gpt (musictk 0.1.0)"

    def load(self) -> Any:
        """Import the component; raises MusictkError naming the plugin where that fails."""
        module, _, attribute = self.target.partition(":")
        try:
            component = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise MusictkError(
                f"{self.kind} {self.name!r} of plugin {self.origin} does not load: {error}",
                "repair or uninstall that plugin",
            ) from error
        for old, new in RENAMED.get(self.kind, {}).items():
            if hasattr(component, old):
                raise MusictkError(
                    f"{self.kind} {self.name!r} of plugin {self.origin} defines {old}, "
                    f"which is now {new}",
                    "update the plugin",
                )
        if fault := _fault(self.kind, self.name, component):
            raise MusictkError(
                f"{self.kind} {self.name!r} of plugin {self.origin} {fault}",
                "docs/plugins.md shows a complete plugin",
            )
        return component


def make_component(kind: Any, config: Mapping[str, Any], *rest: Any) -> Any:
    """An instance of a tokenizer, architecture or sampler class from its plain config.

    Raises MusictkError where its `__init__` does not set what the contract asks for, or sets it
    wrongly.
    """
    where = f"{kind.__module__}.{kind.__qualname__}"
    if fault := default_fault(kind.Config):
        hint = "docs/plugins.md shows a complete plugin"
        raise MusictkError(f"{where}.Config has the default {fault}", hint)
    made = kind(build(kind.Config, config, kind.name), *rest)
    needed = getattr(kind, "set_by_init", ())
    missing = [f"self.{each}" for each in needed if not hasattr(made, each)]
    if missing:
        raise MusictkError(
            f"{where}.__init__ does not set {', '.join(missing)}",
            "call super().__init__ first; docs/plugins.md shows a complete plugin",
        )
    if hasattr(made, "check_made"):
        made.check_made()
    return made


def check_offer(kind: str, name: Any, target: Any, summary: Any) -> None:
    """Raise MusictkError for what `register` cannot be called with."""
    for what, value in (("name", name), ("target", target), ("summary", summary)):
        if not isinstance(value, str):
            raise MusictkError(f"{kind}: the {what} {value!r} must be a string")
    if not name or any(char in SEPARATORS or char.isspace() for char in name):
        raise MusictkError(f"{kind}: the name {name!r} must be a word without {SEPARATORS}")
    if not re.fullmatch(r"[^\s:]+:[^\s:]+", target):
        raise MusictkError(f"{kind} {name!r}: the target {target!r} must be 'module:attribute'")


def _fault(kind: str, name: str, component: Any) -> str:
    """How a component breaks the contract of its kind, if it does."""
    if not inspect.isclass(component):
        return "is not a class"
    module, base_name = BASES[kind]
    base = getattr(importlib.import_module(module), base_name)
    if not issubclass(component, base):
        return f"is not a subclass of {module}.{base_name}"
    missing = sorted(getattr(component, "__abstractmethods__", ()))
    if kind == "architecture":  # a module of torch has no abstract methods
        required = ("begin", "forward")
        missing = [each for each in required if getattr(component, each) is getattr(base, each)]
    if missing:
        return f"lacks {', '.join(missing)}"
    if kind != "tracker" and getattr(component, "name", None) != name:  # a tracker has no name
        found = repr(getattr(component, "name", None))
        return f"has the name {found} in its class; both names must be equal"
    if kind == "runtime" and not isinstance(getattr(component, "file", None), str):
        return "does not set file, the name of the file that it runs"
    arguments = ARGUMENTS[kind]
    if arguments and (fault := _config_fault(kind, getattr(component, "Config", None))):
        return fault
    try:
        inspect.signature(component).bind(*arguments)
    except TypeError:
        return f"must be created with ({', '.join(arguments)})"
    return control_fault(component) if kind == "control" else ""


def control_fault(control: Any) -> str:
    """What is wrong with the values and the parts of a control or its class, if anything is."""
    values, parts = getattr(control, "values", None), control.parts
    if values is None:
        return "lacks values"
    if isinstance(values, str) or not isinstance(values, Sequence):
        return f"has wrong values: {brief(values)} is not a sequence of strings"
    if not 0 < len(values) <= MOST_VALUES:
        return f"has {len(values)} values where 1 to {MOST_VALUES} are needed"
    for value in values:
        if not isinstance(value, str):
            return f"has wrong values: {value!r} is not a string"
        if not value:
            return "has wrong values: a value is empty"
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        return f"has wrong values: {twice!r} occurs twice"
    if type(parts) is not int or parts < 1:
        return f"has parts={brief(parts)}, which must be an integer of at least 1"
    return ""


def _config_fault(kind: str, config: Any) -> str:
    if not inspect.isclass(config) or not is_dataclass(config):
        return "has no Config that is a dataclass"
    if not getattr(config, "__dataclass_params__").frozen:  # noqa: B009  # mypy knows no such name
        return "has a Config that is not frozen; write @dataclass(frozen=True)"
    names = {each.name for each in fields(config)}
    missing = [size for size in SIZES if size not in names] if kind == "architecture" else []
    return f"has a Config without {', '.join(missing)}" if missing else ""
