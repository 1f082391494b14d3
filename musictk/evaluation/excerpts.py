"""Excerpts of human pieces, to compare short generated pieces with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from symusic.core import ScoreTick, TimeSignatureTick

from musictk.music import bars, metres, notes


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
    tempos = [tempo.mspq for tempo in score.tempos if tempo.time <= begin]
    part = score.clip(begin, end, clip_end=True).shift_time(-begin)
    metre = int(found.numerator[index]), int(found.denominator[index])
    part.time_signatures.append(TimeSignatureTick(0, *metre))
    part.time_signatures.sort()
    if tempos and not any(tempo.time == 0 for tempo in part.tempos):
        tempo = score.tempos[len(tempos) - 1].copy()
        tempo.time = 0
        part.tempos.append(tempo)
        part.tempos.sort()
    return part
