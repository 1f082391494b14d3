"""What several rooms ask of a Score: its notes as arrays, and where its bars begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError

MOST_BARS = 20_000  # more than any piece has; a crafted file can ask for billions


@dataclass(frozen=True)
class Notes:
    """All notes of a score, (N,) int64 each, ordered by onset and then pitch."""

    start: NDArray[np.int64]  # ticks
    end: NDArray[np.int64]  # ticks
    pitch: NDArray[np.int64]  # MIDI note number, 60 is middle C
    velocity: NDArray[np.int64]
    track: NDArray[np.int64]  # index into score.tracks

    def __len__(self) -> int:
        return len(self.start)


def notes(score: ScoreTick, drums: bool = True) -> Notes:
    """The notes of every track; without those of drum tracks where `drums` is False."""
    columns: list[list[NDArray[np.int64]]] = [[], [], [], [], []]
    for index, track in enumerate(score.tracks):
        if track.is_drum and not drums:
            continue
        arrays = {name: array.astype(np.int64) for name, array in track.notes.numpy().items()}
        start, count = arrays["time"], len(arrays["time"])
        values = (start, start + arrays["duration"], arrays["pitch"], arrays["velocity"])
        for column, value in zip(columns, (*values, np.full(count, index)), strict=True):
            column.append(value)
    joined = [np.concatenate(column) if column else np.zeros(0, np.int64) for column in columns]
    order = np.lexsort((joined[2], joined[0]))
    return Notes(*(column[order] for column in joined))


def bars(score: ScoreTick, least: int = 0) -> NDArray[np.int64]:
    """(N + 1,) ticks: where each bar begins, and where the last one ends.

    Covers every note and at least the tick `least`. 4/4 holds until the first time signature; one
    that stands inside a bar cuts that bar short. Raises MusictkError past MOST_BARS.
    """
    end = max(int(score.end()), least, 1)
    changes = {0: 4 * score.ticks_per_quarter}
    for sign in score.time_signatures:
        if 0 <= sign.time < end and sign.numerator > 0 and sign.denominator > 0:
            length = 4 * score.ticks_per_quarter * sign.numerator // sign.denominator
            changes[int(sign.time)] = max(length, 1)
    starts = sorted(changes)
    pieces = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        if (stop - start) // changes[start] > MOST_BARS:
            raise MusictkError(f"the piece has more than {MOST_BARS:,} bars", "cut it into parts")
        pieces.append(np.arange(start, stop, changes[start], dtype=np.int64))
    last = pieces[-1][-1] + changes[starts[-1]]
    return np.append(np.concatenate(pieces), last)


def duration(score: ScoreTick) -> float:
    """Seconds until the last note ends, by the score's tempos (120 a minute without any)."""
    seconds: Any = score.to("second")
    return float(seconds.end())
