"""What a piece begins with, and what is said of it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Notice:
    """A deviation from the request."""

    kind: str  # one of `_MEANINGS`
    section: str  # "" where the piece has none
    bar: int  # of the section, else of the piece, from 1
    detail: str = ""  # such as "(density, highest)"
    of_piece: tuple[int, int] | None = None  # the bar, counted in the piece, and the bars of that

    @property
    def text(self) -> str:
        """What it says beside its place."""
        place = "" if self.of_piece is None else "in bar {} of {}".format(*self.of_piece)
        more = self.detail or place
        return _MEANINGS[self.kind].format(f" {more}" if more else "")


_MEANINGS = {
    "bar-cut": "the bar was as long as a bar may be, and was ended without a bar line",
    "cadence-left-out": "the bass could not be written, so the piece ends on another note",
    "limit-ignored": "the controls{} left nothing to write, so a note does not follow them",
    "no-bar": "the model writes no bar for this one alone, so the controls{} are not followed",
    "stopped": "--max-tokens ended the piece{}",
}


def described(notices: Sequence[Notice]) -> list[str]:
    """One line for each kind and section, with all of its bars."""
    found: dict[tuple[str, str], set[int]] = {}
    for one in notices:
        found.setdefault((one.section, one.text), set()).add(one.bar)
    lines = []
    for (section, text), bars in found.items():
        numbers = ", ".join(map(str, sorted(bars)))
        place = f"section {section}, " if section else ""
        place += f"{'bar' if len(bars) == 1 else 'bars'} {numbers}"
        lines.append(f"{place}: {text}")
    return lines


@dataclass(frozen=True)
class Opening:
    """The prompt of a piece, and its place in the form."""

    prompt: NDArray[Any]  # may be empty
    after: NDArray[Any]  # the music that follows the piece; empty: it ends
    whole: bool = False  # it ends at a bar line: what is written next begins a bar
    theme: bool = False  # it is the first section of the form, not a section before that
    positions: int = 0  # after which the piece ends, if it has not before; 0: any number
    kept: NDArray[Any] | None = None  # music whose rhythm the piece has; None: it is free
