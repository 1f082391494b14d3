"""What a piece begins with, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Notice:
    """A deviation from the request."""

    kind: str  # "bar-cut": a bar reached its limit and was ended without its bar line
    section: str
    bar: int  # of the section, from 1


@dataclass(frozen=True)
class Opening:
    """The prompt of a piece, and its place in the form."""

    prompt: NDArray[Any]  # may be empty
    whole: bool = False  # it ends at a bar line: what is written next begins a bar
    theme: bool = False  # it is the first section of the form, not a section before that
    after: NDArray[Any] | None = None  # the music that follows the piece; None: it ends
    positions: int = 0  # after which the piece ends, if it has not before; 0: any number
    kept: NDArray[Any] | None = None  # music whose rhythm the piece has; None: it is free
