"""Where sections and bars lie in a sequence and in its music."""

from __future__ import annotations

from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.music import bars


class Span(NamedTuple):
    """A section as written: `sequence[start:end]` of the composition."""

    label: str
    start: int
    end: int


def bar_lines(score: ScoreTick, count: int) -> list[int]:
    """At least `count + 1` bar lines: the score's own, then more of its last bar's length.

    A metre that changes after the last note counts: bars of rest can follow.
    """
    changes = [mark.time + 1 for mark in score.time_signatures]
    lines: list[int] = bars(score, least=max(changes, default=0)).tolist()
    while len(lines) <= count:
        lines.append(2 * lines[-1] - lines[-2])
    return lines
