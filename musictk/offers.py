"""Components that plugins offer, and the check of their contracts. Loads no torch, no miditok."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass, is_dataclass
from typing import Any

from musictk.errors import MusictkError

KINDS = ("tokenizer", "architecture", "control", "sampler", "runtime", "tracker")
SEPARATORS = "=:,|"  # of names and values on the command line

# What musictk creates a component with.
ARGUMENTS = {
    "tokenizer": ("config", "learned"),
    "architecture": ("config",),
    "sampler": ("config", "tokenizer"),
}

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
    if missing := sorted(getattr(component, "__abstractmethods__", ())):
        return f"lacks {', '.join(missing)}"
    if kind != "tracker" and getattr(component, "name", None) != name:  # a tracker has no name
        found = repr(getattr(component, "name", None))
        return f"has the name {found} in its class; both names must be equal"
    if kind not in ARGUMENTS:
        return ""
    if not is_dataclass(getattr(component, "Config", None)):
        return "has no Config that is a dataclass"
    try:
        inspect.signature(component).bind(*ARGUMENTS[kind])
    except TypeError:
        return f"must be created with ({', '.join(ARGUMENTS[kind])})"
    return ""
