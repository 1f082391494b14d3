"""The sections of a composition in ticks of its music."""

from __future__ import annotations

import numpy as np
from symusic.core import ScoreTick

from musictk.generation.compose import Composition
from musictk.music import bar_lines
from musictk.tokens import Tokenizer


def section_ticks(
    composition: Composition, tokenizer: Tokenizer, score: ScoreTick
) -> list[tuple[str, int, int]]:
    """(label, first tick, tick after the last) of each section; `score` is the decoded sequence.

    Sections begin at bar lines, even where their first note comes later.
    """
    if not composition.sections:
        return []
    starts = tokenizer.bar_starts(composition.sequence)
    edges = [span.start for span in composition.sections] + [composition.sections[-1].end]
    counted = np.searchsorted(starts, edges)  # bars before each edge
    lines = bar_lines(score, int(counted[-1]))
    ticks = [int(lines[count]) for count in counted]
    return [
        (span.label, start, stop)
        for span, start, stop in zip(composition.sections, ticks, ticks[1:], strict=False)
        if stop > start
    ]
