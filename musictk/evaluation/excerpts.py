"""Excerpts of human pieces, to compare short generated pieces with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick

from musictk.music import bars, in_effect_from, metres, notes


def excerpts(score: ScoreTick, length: int, most: int) -> Iterator[ScoreTick]:
    """Up to `most` parts of `length` bars that do not overlap, evenly chosen."""
    starts = np.arange(0, len(bars(score)) - length, length)
    chosen = np.unique(np.linspace(0, len(starts) - 1, most).astype(int)) if len(starts) else starts
    for start in starts[chosen].tolist():
        part = excerpt(score, start, length)
        if len(notes(part, drums=False)) > 1:
            yield part


def excerpt(score: ScoreTick, start: int, length: int) -> ScoreTick:
    """Some bars of a score, with the metre and the tempo that hold there; `start` is from 0."""
    lines, found = bars(score), metres(score)
    begin, end = int(lines[start]), int(lines[min(start + length, len(lines) - 1)])
    index = int(np.searchsorted(found.start, begin, "right")) - 1
    part = score.clip(begin, end, clip_end=True).shift_time(-begin)
    metre = int(found.numerator[index]), int(found.denominator[index])
    part.time_signatures.append(TimeSignatureTick(0, *metre))
    part.time_signatures.sort()
    part.tempos.clear()  # of several at one tick `clip` keeps the first, and the last counts
    for tempo in in_effect_from(score.tempos, begin, end):
        part.tempos.append(TempoTick(max(tempo.time - begin, 0), mspq=tempo.mspq))
    return part
