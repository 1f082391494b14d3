"""Sections in a sequence, and the bar lines of its music."""

from __future__ import annotations

from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.music import bars


class Span(NamedTuple):
    """A section: `sequence[start:end]` of a composition."""

    label: str
    start: int
    end: int


def bar_lines(score: ScoreTick, count: int) -> list[int]:
    """The ticks of at least `count + 1` bar lines: the score's, then more of its last bar's length.

    They go past the last change of metre, since bars of rest can follow it.
    """
    changes = [mark.time + 1 for mark in score.time_signatures]
    lines: list[int] = bars(score, least=max(changes, default=0)).tolist()
    while len(lines) <= count:
        lines.append(2 * lines[-1] - lines[-2])
    return lines
