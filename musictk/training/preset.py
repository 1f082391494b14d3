"""Presets: named sets of settings, in TOML files. Free of torch.

arch, tokenizer, size, summary                       names, and a description
epochs, evaluate_epochs, checkpoint_epochs           steps, counted in passes over the corpus
minutes                                              the time to train for, instead of steps
export                                               kinds of export of the best model at the end
[model] [tokens] [network] [train] [data] [sample]   the groups of `--set`
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from math import inf
from typing import Any

from musictk.errors import UnknownNameError, UsageError
from musictk.training.settings import TrainSettings

IN_EPOCHS: Mapping[str, str] = {  # a number of passes -> the setting in steps that it becomes
    "epochs": "steps",
    "evaluate_epochs": "evaluate_every",
    "checkpoint_epochs": "checkpoint_every",
}
TEXTS = ("arch", "tokenizer", "size", "summary")
NAMES = (*TEXTS, *IN_EPOCHS, "minutes", "export")
GROUPS = ("model", "tokens", "network", "train", "data", "sample")
FOLDER = files("musictk.training") / "presets"


def preset_names() -> list[str]:
    """The names of all presets."""
    return sorted(item.name.removesuffix(".toml") for item in FOLDER.iterdir())


def load_preset(name: str) -> dict[str, Any]:
    """The preset called `name`: its top-level keys and its groups of settings.

    Raises UnknownNameError with the most similar known name.
    """
    known = preset_names()
    if name not in known:
        raise UnknownNameError("preset", name, known)
    return read_preset((FOLDER / f"{name}.toml").read_text("utf-8"))


def read_preset(text: str, owner: str = "a preset") -> dict[str, Any]:
    """A preset from TOML; `owner` is its name in errors.

    Raises UnknownNameError for an unknown key or training setting, UsageError for invalid TOML or a
    value of the wrong type.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{owner} is not valid TOML: {error}") from error
    for key, value in values.items():
        if key not in (*NAMES, *GROUPS):
            raise UnknownNameError(f"key of {owner}", key, NAMES + GROUPS)
        if (wanted := _expected(key, value)) is not None:
            raise UsageError(f"{key}={value!r} in {owner} is not {wanted}")
    TrainSettings().but(**values.get("train", {}))
    return values


def _expected(key: str, value: Any) -> str | None:
    """The type that the value of a key should have; None if it has it."""
    if key in GROUPS:
        return None if isinstance(value, dict) else f"a table of settings, such as [{key}]"
    if key in TEXTS:
        return None if isinstance(value, str) else "text"
    if key == "export":
        listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if listed else "a list of names"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if number and 0 < value < inf else "a number above 0"
