"""What torchrun says in the environment. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping

from musictk.errors import UsageError


def variable(
    name: str, default: int | None = None, environment: Mapping[str, str] = os.environ
) -> int:
    """The number in a variable that torchrun sets.

    Raises UsageError if it is no number, or is missing and has no default.
    """
    text = environment.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        fault = f"{name}={text} is no number" if text else f"WORLD_SIZE is set, but not {name}"
        raise UsageError(fault, "start several processes with torchrun, or unset WORLD_SIZE")
    return int(text)
