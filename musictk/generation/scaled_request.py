"""A request for bars of a file, where the bars of the model have another length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from musictk.controls import Controls
from musictk.generation.bar_plan import GivenFacts, plan_bars
from musictk.generation.chosen_controls import ChosenControl, bar_numbers, numbered
from musictk.generation.file_bars import find_owners, for_file, for_model, place_of
from musictk.generation.form import MOST_BARS, Form
from musictk.generation.opening import Notice
from musictk.generation.request import PieceRequest
from musictk.tokens import Tokenizer


@dataclass(frozen=True)
class ScaledRequest:
    """For models whose bars all have one length; a section is not shortened."""

    asked: PieceRequest  # in bars of the file
    ratio: Fraction  # bars of the model that last as long as one of the file

    @cached_property
    def request(self) -> PieceRequest:
        """The same in bars of the model."""
        if self.ratio == 1:
            return self.asked
        controls = [each for one in self.asked.controls for each in self._control(one)]
        return replace(self._lengths, controls=tuple(controls))

    def check(self, controls: Controls, tokenizer: Tokenizer) -> None:
        """Raise UsageError, with a bar of the file, for controls that leave nothing to write."""
        theme = np.zeros((self.asked.theme, controls.width), np.uint8)
        plan_bars(controls, tokenizer, self.asked, GivenFacts(theme, theme[:0]))

    def notices(self, found: Iterable[Notice]) -> list[Notice]:
        """Notices for bars of the file, also of controls that no bar of the model follows."""
        if self.ratio == 1:
            return list(found)
        form, theme = self.asked.plan(), self.asked.theme
        sections = sorted(form.sections, key=lambda section: section.bars)
        longest = {section.name: section.bars for section in sections}
        moved = [self._moved(one, longest.get(one.section, 0)) for one in found]
        of_bars = [one for one in self.asked.controls if not one.for_section]
        moved += for_file([], of_bars, self._owners, (theme + 1, form.bars))
        return [*moved, *self._left_out_in_sections(form)]

    @cached_property
    def _lengths(self) -> PieceRequest:
        """The request with the lengths of its sections in bars of the model."""
        asked = self.asked
        if not asked.planned and asked.sampling.max_tokens:
            return asked
        if not asked.form.strip():
            return replace(asked, bars=self._count(asked.plan().bars))
        theme = self._count(asked.theme) if asked.theme else 0
        sections = (replace(each, bars=self._count(each.bars)) for each in asked.plan().sections)
        return replace(asked, form=str(Form(tuple(sections))), bars=0, theme=theme)

    def _count(self, bars: int) -> int:
        """The bars of the model that last at least as long as so many of the file."""
        return min(max(-int(-bars * self.ratio // 1), 1), MOST_BARS)

    @cached_property
    def _owners(self) -> list[int]:
        """The bar of the file for each bar of the model, from the first of the theme on."""
        theme, end = self._lengths.theme, self.asked.theme * self.ratio.numerator
        given = [end * bar / theme for bar in range(theme)]
        new = self._edges(self._lengths.plan().bars - theme)
        return self._owners_between([*given, *(end + edge for edge in new)], self.asked.plan().bars)

    def _owners_in_section(self, bars: int) -> list[int]:
        """The bar of a section of `bars` for each of its bars of the model."""
        return self._owners_between(self._edges(self._count(bars)), bars)

    def _edges(self, bars: int) -> list[int]:
        """Where so many bars of the model begin, and where the last ends.

        In the unit of which a bar of the file has the numerator of the ratio, so that all are
        whole.
        """
        return [bar * self.ratio.denominator for bar in range(bars + 1)]

    def _owners_between(self, edges: Sequence[float], bars: int) -> list[int]:
        return find_owners(edges, [bar * self.ratio.numerator for bar in range(bars + 1)])

    def _control(self, one: ChosenControl) -> list[ChosenControl]:
        if not one.for_section:
            return for_model([one], self._owners)
        owners = self._owners_in_section(_longest(self.asked.plan(), one))
        alone = one._replace(where="")
        return [each._replace(where=one.where) for each in for_model([alone], owners)]

    def _moved(self, one: Notice, bars: int) -> Notice:
        """A notice of a section of `bars` of the file; 0: of what is before the form."""
        if not bars:
            return one
        owners = self._owners_in_section(bars)
        bar = owners[min(one.bar, len(owners)) - 1]
        return replace(one, bar=bar, of_piece=place_of(one, self._owners, self.asked.plan().bars))

    def _left_out_in_sections(self, form: Form) -> Iterator[Notice]:
        """Of values of successive bars of sections, those that no bar of the model has."""
        for one in self.asked.controls:
            if one.for_section:
                bars = _longest(form, one)
                owners = self._owners_in_section(bars)
                for notice in for_file([], [one._replace(where="")], owners, (1, bars)):
                    yield replace(notice, section=one.where)


def _longest(form: Form, one: ChosenControl) -> int:
    """The bars of the longest section that a control is for."""
    places = [bar_numbers(each.where) or (1, 0) for each in numbered(form, [one], 0)]
    return max(last - first + 1 for first, last in places)
