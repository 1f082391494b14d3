"""The tempos of new bars in a form that begins with a given theme."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from symusic.core import ScoreTick, TempoTick

from musictk.generation.chosen_controls import bar_numbers, numbered
from musictk.generation.compose import Composition
from musictk.generation.new_bars import NewBars
from musictk.generation.request import PieceRequest, from_prompt
from musictk.music import bar_lines, in_effect, tempo_at
from musictk.tokens import TEMPO, Tokenizer


class GivenTheme(NamedTuple):
    """The music of a theme."""

    score: ScoreTick
    end: int  # tick of its last bar line
    tempo: int  # of the sections that are not its returns, in microseconds per quarter note


class _Stretch(NamedTuple):
    """Ticks of a bar of the new music, and where its tempos come from."""

    start: int
    stop: int
    source: ScoreTick  # the given music, or the new music itself
    begins: int  # tick of the source where the bar begins


def returning_tempos(
    tokenizer: Tokenizer, composition: Composition, new: NewBars, theme: GivenTheme
) -> list[TempoTick]:
    """The tempos of the new bars: a return has those of its theme, but where one is chosen.

    They are those of the given music, which a vocabulary has only nearly or not at all. The first
    one is at tick 0.
    """
    found: list[TempoTick] = []
    for bar in _stretches(tokenizer, composition, new, theme):
        if bar.source is theme.score:
            opening = tempo_at(bar.source, max(bar.begins, 0))
            inside = _moved(bar, new.music.ticks_per_quarter)
        else:
            last = in_effect(new.music.tempos, bar.start)
            opening = theme.tempo if last is None else int(last.mspq)
            inside = _own(bar)
        stated = inside and inside[0].time == bar.start
        if not stated and not (found and found[-1].mspq == opening):
            found.append(TempoTick(bar.start, mspq=opening))
        found += inside
    return found


def _stretches(
    tokenizer: Tokenizer, composition: Composition, new: NewBars, theme: GivenTheme
) -> Iterator[_Stretch]:
    """The new bars in order."""
    request = composition.request
    form, chosen = request.plan(), _chosen(request)
    lines = _theme_lines(tokenizer, request, theme)
    begun = 0  # bars of the sections before
    for index, (section, (_, start, stop)) in enumerate(
        zip(form.sections, new.sections, strict=False)
    ):
        if start >= 0:
            first, last = (bisect_left(new.lines, tick) for tick in (start, stop))
            edges = [*new.lines[first:last], stop]
            for bar, (here, there) in enumerate(pairwise(edges)):
                returns = form.returns(index) == 0 and bar < len(lines)
                if returns and begun + bar not in chosen:
                    yield _Stretch(here, there, theme.score, lines[bar])
                else:
                    yield _Stretch(here, there, new.music, here)
        begun += section.bars


def _chosen(request: PieceRequest) -> set[int]:
    """The bars that have a tempo of their own, from 0 with those of the theme."""
    tempos = [one for one in request.controls if one.name == TEMPO]
    ranges = (bar_numbers(one.where) for one in numbered(request.plan(), tempos, 0))
    return {bar for each in ranges if each for bar in range(each[0] - 1, each[1])}


def _theme_lines(tokenizer: Tokenizer, request: PieceRequest, theme: GivenTheme) -> list[int]:
    """Ticks of the given music where the bars of the theme begin, as the tokenizer counts them."""
    sequence = from_prompt(request.used_prompt, tokenizer.space)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    count = len(tokenizer.bar_starts(sequence))
    lines = bar_lines(music, count)[: count + 1]
    given, encoded = theme.score.ticks_per_quarter, music.ticks_per_quarter
    return [theme.end - round((lines[-1] - line) * given / encoded) for line in lines[:-1]]


def _own(bar: _Stretch) -> list[TempoTick]:
    """The tempos that the new music has in a bar, also one that repeats the one before."""
    inside = (tempo for tempo in bar.source.tempos if bar.start <= tempo.time < bar.stop)
    return [TempoTick(tempo.time, mspq=tempo.mspq) for tempo in inside]


def _moved(bar: _Stretch, quarter: int) -> list[TempoTick]:
    """The changes of tempo in a bar of the theme, at `quarter` ticks per quarter note."""
    found: dict[int, TempoTick] = {}
    for tempo in sorted(bar.source.tempos, key=lambda tempo: tempo.time):
        away = round((tempo.time - bar.begins) * quarter / bar.source.ticks_per_quarter)
        time = bar.start + away
        if tempo.time > bar.begins and time < bar.stop:
            found[time] = TempoTick(time, mspq=tempo.mspq)  # of several, the last counts
    return list(found.values())
