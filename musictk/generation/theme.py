"""A returning section: its bars, and their encoding at the return.

After other music the same notes may need other tokens: a velocity may be set already, a note may
still sound. So the theme's *music* is appended to the piece, and the tokenizer encodes both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick

from musictk.generation.spans import Span
from musictk.music import bar_lines, in_effect_from
from musictk.tokens import Tokenizer
from musictk.tokens.checked import bar_starts


class Theme:
    """The section `span` of the piece `sequence`."""

    def __init__(self, tokenizer: Tokenizer, sequence: NDArray[Any], span: Span) -> None:
        self._tokenizer, self._span = tokenizer, span
        self._section = sequence[span.start : span.end].copy()
        starts = bar_starts(tokenizer, self._section)
        self.bars = _cut(self._section, starts if len(starts) else np.zeros(1, np.int64))
        self._planned: dict[int, NDArray[Any]] = {}  # bar of the theme -> encoded at the return

    @property
    def bar_length(self) -> float:
        """Mean number of positions per bar."""
        return len(self._section) / len(self.bars)

    def window(self, bar: int, written: NDArray[Any]) -> NDArray[Any]:
        """Bar `bar` of the theme (from its first again after its last), for the end of `written`.

        The window's last position is the first of the bar after it, to mark where the bar ends.
        """
        before, bar = (bar - 1) % len(self.bars), bar % len(self.bars)
        done = self._planned.get(before)
        if bar == 0 or done is None or not _ends_with(written, done[:-1]):
            self._planned = self._plan(bar, written)
        return self._planned.get(bar, self.bars[bar])

    def _plan(self, bar: int, written: NDArray[Any]) -> dict[int, NDArray[Any]]:
        """The bars from `bar` on, encoded after `written`; empty if that is impossible."""
        music = self._tokenizer.decode(written) if written.ndim == 1 else None
        if not isinstance(music, ScoreTick):
            return {}
        starts = self._tokenizer.bar_starts(written)
        lines = bar_lines(music, len(starts))
        first, last = np.searchsorted(starts, self._span[1:])
        moved = _continued(music, lines[first + bar], lines[last], lines[len(starts)])
        if moved is None:
            return {}
        spelled = self._tokenizer.encode(moved)
        bars = _cut(spelled, self._tokenizer.bar_starts(spelled)[len(starts) :])
        return {bar + index: window for index, window in enumerate(bars[:-1])}


def _continued(music: ScoreTick, start: int, stop: int, here: int) -> ScoreTick | None:
    """`music`, and from the tick `here` on a copy of what it has from `start` to `stop`.

    One more note comes after it, so that bars of rest at its end are encoded too.
    """
    shift, sentinel = here - start, here + stop - start
    for track in music.tracks:
        notes = track.notes.numpy()
        taken = np.flatnonzero((notes["time"] >= start) & (notes["time"] < stop))
        moved = notes["time"][taken] + shift
        if sentinel and len(taken):
            taken, moved = np.append(taken, taken[0]), np.append(moved, np.int32(sentinel))
            sentinel = 0
        rest = (notes[name][taken] for name in ("duration", "pitch", "velocity"))
        track.notes.extend(NoteTickList.from_numpy(moved, *rest))
    for tempo in in_effect_from(music.tempos, start, stop):
        music.tempos.append(TempoTick(max(tempo.time, start) + shift, tempo.qpm))
    for sign in in_effect_from(music.time_signatures, start, stop):
        time = max(sign.time, start) + shift
        music.time_signatures.append(TimeSignatureTick(time, sign.numerator, sign.denominator))
    music.sort()
    return None if sentinel else music


def _cut(sequence: NDArray[Any], starts: NDArray[np.int64]) -> list[NDArray[Any]]:
    """The bars that begin at `starts`, each with the first position after it; the last with its own
    first, since every bar begins alike."""
    stops = [*starts[1:].tolist(), len(sequence)]
    endless = np.concatenate([sequence, sequence[starts[:1]]])
    return [endless[start : stop + 1] for start, stop in zip(starts, stops, strict=True)]


def _ends_with(written: NDArray[Any], ending: NDArray[Any]) -> bool:
    return np.array_equal(written[max(len(written) - len(ending), 0) :], ending)
