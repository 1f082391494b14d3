"""Checks of what a caller of `Project` passes; the command line has checked its own."""

from __future__ import annotations

from numbers import Integral
from os import PathLike
from typing import Any

from musictk.errors import UsageError


def require_text(**given: Any) -> None:
    """Raise UsageError for an argument that is neither text, a path nor None; a tuple has many."""
    for name, value in given.items():
        for each in value if isinstance(value, tuple) else (value,):
            if not isinstance(each, str | PathLike | None):
                raise UsageError(f"the {name} {each!r} is not text", "give each as one argument")


def require_number(**given: object) -> None:
    """Raise UsageError for an argument that is no whole number."""
    for name, value in given.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise UsageError(f"{name}={value!r} is not a whole number", "give one such as 1")
