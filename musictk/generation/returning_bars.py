"""The new bars of a form that begins with a given theme, and which of them repeat it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.generation.compose import Composition
from musictk.generation.new_bars import NewBars
from musictk.generation.request import PieceRequest, from_prompt
from musictk.music import bar_lines
from musictk.tokens import Tokenizer


class GivenTheme(NamedTuple):
    """The music of a theme."""

    score: ScoreTick
    end: int  # tick of its last bar line
    tempo: int  # of the sections that are not its returns, in microseconds per quarter note


class NewBar(NamedTuple):
    """A bar of the new music."""

    number: int  # from 0, with those of the theme
    start: int  # ticks of the new music
    stop: int
    repeats: int | None  # tick of the given music where the bar begins that it returns to


def bars_of_form(
    tokenizer: Tokenizer, composition: Composition, new: NewBars, theme: GivenTheme
) -> Iterator[NewBar]:
    """The new bars in order; a return goes on with the theme's first bar after its last."""
    request = composition.request
    form, lines = request.plan(), _theme_lines(tokenizer, request, theme)
    begun = 0  # bars of the sections before
    for index, (section, (_, start, stop)) in enumerate(
        zip(form.sections, new.sections, strict=False)
    ):
        if start >= 0:
            first, last = (bisect_left(new.lines, tick) for tick in (start, stop))
            edges = [*new.lines[first:last], stop]
            for bar, (here, there) in enumerate(pairwise(edges)):
                returns = form.returns(index) == 0
                yield NewBar(begun + bar, here, there, lines[bar % len(lines)] if returns else None)
        begun += section.bars


def _theme_lines(tokenizer: Tokenizer, request: PieceRequest, theme: GivenTheme) -> list[int]:
    """Ticks of the given music where the bars of the theme begin, as the tokenizer counts them."""
    sequence = from_prompt(request.used_prompt, tokenizer.space)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    count = len(tokenizer.bar_starts(sequence))
    lines = bar_lines(music, count)[: count + 1]
    given, encoded = theme.score.ticks_per_quarter, music.ticks_per_quarter
    return [theme.end - round((lines[-1] - line) * given / encoded) for line in lines[:-1]]
