"""The memory of a section: the earlier theme that it follows, and the weight of its context."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from musictk.generation.form import Form
from musictk.generation.memory import Follower, blend_weight, variation_of
from musictk.generation.note_floor import NoteCounts
from musictk.generation.progress import FormProgress
from musictk.generation.sampling import Sampling
from musictk.generation.theme import Theme
from musictk.tokens import Grammar, Tokenizer


def repeats_exactly(plan: Form, sampling: Sampling) -> bool:
    """Whether the last section returns to an earlier one without variation."""
    last = len(plan.sections) - 1
    varied = variation_of(sampling, plan.sections[last].primes)
    return plan.returns(last) is not None and varied == 0


class SectionMemory:
    """The memory of the section being written."""

    def __init__(self, tokenizer: Tokenizer, sampling: Sampling, grammar: Grammar | None) -> None:
        self.follower: Follower | None = None  # of the theme, where this section returns to one
        self.weight = 0.0  # of the memory context in this bar
        self._tokenizer, self._sampling, self._grammar = tokenizer, sampling, grammar

    def begin_section(self, progress: FormProgress, written: NDArray[Any], closes: bool) -> None:
        """A section begins after all that is `written`; `closes` as in `begin_bar`."""
        theme, variation = progress.theme(), self._variation(progress)
        self.follower = None
        if theme is not None and variation < 1:
            music = Theme(self._tokenizer, written, theme)
            figure, counts = self._sampling.figure, NoteCounts.of(self._tokenizer)
            self.follower = Follower(music, variation, figure, self._grammar, counts)
        self.begin_bar(progress, written, closes)

    def begin_bar(self, progress: FormProgress, written: NDArray[Any], closes: bool) -> None:
        """A bar of the section begins after all that is `written`.

        If the bar `closes` the piece with a cadence, a theme that is varied is left: its own bar is
        seldom an ending.
        """
        if closes and progress.theme() is not None and self._variation(progress) > 0:
            self.follower, self.weight = None, 0.0
            return
        self.weight = self._weight(progress)
        if self.follower:
            self.follower.begin_bar(progress.bar, written)

    def _weight(self, progress: FormProgress) -> float:
        """`blend` if a theme returns; in a new section, the contrast with earlier ones."""
        if progress.section <= 0:
            return 0.0
        if progress.theme() is None:
            return self._sampling.contrast
        variation = self._variation(progress)
        return blend_weight(self._sampling, variation, progress.bar) if variation > 0 else 0.0

    def _variation(self, progress: FormProgress) -> float:
        return variation_of(self._sampling, progress.plan.sections[progress.section].primes)
