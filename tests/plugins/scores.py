"""Real music for the tests of the plugins."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


@cache
def pieces() -> list[ScoreTick]:
    """Every piece of examples/midis, in order."""
    return [ScoreTick.from_file(path) for path in sorted(MIDIS.glob("*/*.mid"))]


def score(
    *notes: tuple[float, float, int],
    metres: tuple[tuple[float, int, int], ...] = (),
    ticks: int = 480,
) -> ScoreTick:
    """One track of (onset, duration, pitch), times in quarter notes."""
    made = ScoreTick(ticks)
    made.tracks.append(TrackTick("Piano"))
    for onset, duration, pitch in notes:
        made.tracks[0].notes.append(
            NoteTick(round(onset * ticks), round(duration * ticks), pitch, 64)
        )
    for onset, numerator, denominator in metres:
        made.time_signatures.append(TimeSignatureTick(round(onset * ticks), numerator, denominator))
    return made
