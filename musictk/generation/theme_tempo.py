"""The tempos of new bars in a form that begins with a given theme."""

from __future__ import annotations

from collections.abc import Iterable

from symusic.core import ScoreTick, TempoTick

from musictk.generation.chosen_controls import bar_numbers, numbered
from musictk.generation.new_bars import NewBars
from musictk.generation.request import PieceRequest
from musictk.generation.returning_bars import GivenTheme, NewBar
from musictk.music import in_effect, tempo_at
from musictk.tokens import TEMPO


def returning_tempos(
    request: PieceRequest, new: NewBars, bars: Iterable[NewBar], theme: GivenTheme
) -> list[TempoTick]:
    """The tempos of the new bars: a return has those of its theme, but where one is chosen.

    They are those of the given music, which a vocabulary has only nearly or not at all. The first
    one is at tick 0.
    """
    found: list[TempoTick] = []
    chosen = _chosen(request)
    for bar in bars:
        if bar.repeats is not None and bar.number not in chosen:
            opening = tempo_at(theme.score, max(bar.repeats, 0))
            inside = _moved(bar, bar.repeats, theme.score, new.music.ticks_per_quarter)
        else:
            last = in_effect(new.music.tempos, bar.start)
            opening = theme.tempo if last is None else int(last.mspq)
            inside = _own(bar, new.music)
        stated = inside and inside[0].time == bar.start
        if not stated and not (found and found[-1].mspq == opening):
            found.append(TempoTick(bar.start, mspq=opening))
        found += inside
    return found


def _chosen(request: PieceRequest) -> set[int]:
    """The bars that have a tempo of their own, from 0 with those of the theme."""
    tempos = [one for one in request.controls if one.name == TEMPO]
    ranges = (bar_numbers(one.where) for one in numbered(request.plan(), tempos, 0))
    return {bar for each in ranges if each for bar in range(each[0] - 1, each[1])}


def _own(bar: NewBar, music: ScoreTick) -> list[TempoTick]:
    """The tempos that the new music has in a bar, also one that repeats the one before."""
    inside = (tempo for tempo in music.tempos if bar.start <= tempo.time < bar.stop)
    return [TempoTick(tempo.time, mspq=tempo.mspq) for tempo in inside]


def _moved(bar: NewBar, begins: int, theme: ScoreTick, quarter: int) -> list[TempoTick]:
    """The changes of tempo in the theme's bar from the tick `begins` on, at `quarter` ticks per
    quarter note."""
    found: dict[int, TempoTick] = {}
    for tempo in sorted(theme.tempos, key=lambda tempo: tempo.time):
        away = round((tempo.time - begins) * quarter / theme.ticks_per_quarter)
        time = bar.start + away
        if tempo.time > begins and time < bar.stop:
            found[time] = TempoTick(time, mspq=tempo.mspq)  # of several, the last counts
    return list(found.values())
