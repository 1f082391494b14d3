"""Where settings come from: flag > MUSICTK_* > musictk.toml > default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from musictk.errors import UsageError

FILE = "musictk.toml"


def defaults(path: Path = Path(FILE)) -> dict[str, Any]:
    """The tables of `musictk.toml`, one per command; {} where there is no such file."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def assignments(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`["model.dim=512", "clip=0.5"]` -> {"model": {"dim": 512}, "": {"clip": 0.5}}.

    A value is read as TOML where it is TOML ("8", "true", "[64, 256]"), else as plain text.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        group, _, key = name.strip().rpartition(".")
        if not (equals and key):
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", "such as bpe=5000 or clip=0.5")
        found.setdefault(group, {})[key] = _value(text.strip())
    return found


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
