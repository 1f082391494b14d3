"""Named sets of settings, kept as TOML beside this file. Free of torch.

arch, tokenizer, size, epochs, summary       what, for how long, and in words
[model] [tokens] [network] [train] [data]    the groups of `--set`
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from musictk.errors import UnknownNameError
from musictk.training.settings import Settings

NAMES = ("arch", "tokenizer", "size", "epochs", "summary")
GROUPS = ("model", "tokens", "network", "train", "data")
FOLDER = files("musictk.training") / "presets"


def preset_names() -> list[str]:
    """Every preset there is."""
    return sorted(item.name.removesuffix(".toml") for item in FOLDER.iterdir())


def load_preset(name: str) -> dict[str, Any]:
    """The preset called `name`: its names, and its groups of settings.

    Raises UnknownNameError with the nearest known name.
    """
    known = preset_names()
    if name not in known:
        raise UnknownNameError("preset", name, known)
    return read_preset((FOLDER / f"{name}.toml").read_text("utf-8"))


def read_preset(text: str) -> dict[str, Any]:
    """A preset from TOML; raises UnknownNameError for a key or training setting that is not."""
    values = tomllib.loads(text)
    for key in values:
        if key not in NAMES + GROUPS:
            raise UnknownNameError("key of a preset", key, NAMES + GROUPS)
    Settings().but(**values.get("train", {}))
    return values
