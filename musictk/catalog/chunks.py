"""Split long lists of values: SQLite allows a limited number of parameters in a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_CHUNK = 1000  # values in one IN (...)
_T = TypeVar("_T")


def chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Slices of at most 1,000 values, for one `IN (...)` each."""
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
