"""Sections in a sequence."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A section: `sequence[start:end]` of a composition."""

    label: str
    start: int
    end: int
