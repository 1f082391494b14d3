"""The progress of a piece in its form."""

from __future__ import annotations

from musictk.generation.form import Form
from musictk.generation.spans import Span

PROMPT = -1  # the index of a prompt, which is a section before those of the form


class FormProgress:
    """The section and the bar being written, and where the finished sections are.

    `prompt_bars` are written already; with `prompt_is_section` they are a separate section before
    the form, else they begin its first section.
    """

    def __init__(self, plan: Form, prompt_bars: int, prompt_is_section: bool) -> None:
        self.plan = plan
        self.section = PROMPT if prompt_is_section else 0
        self.start = 0  # the position at which this section began
        self.bar = prompt_bars - 1  # of this section; -1 before its first
        self.cuts = 0  # bars of this section that ended without a bar line
        self.spans: list[Span] = []  # of the sections that are finished
        self.done = False
        self._prompt_bars = prompt_bars

    @property
    def name(self) -> str:
        """The name of the section, with its primes."""
        last = len(self.plan.sections) - 1
        return self.plan.sections[min(self.section, last)].name if self.section >= 0 else "prompt"

    @property
    def place(self) -> tuple[str, int]:
        """The name of the section, and its bar, from 1."""
        return self.name, self.bar + 1

    def place_of(self, begun: bool) -> tuple[str, int]:
        """The place of this bar where it has `begun`, else of the one that begins next."""
        if begun or self.bar + 1 < self._bars:
            return self.name, self.bar + 2 - begun
        return self.plan.sections[self.section + 1].name, 1

    @property
    def bar_lines(self) -> int:
        """Bars of this section that began at a bar line of the tokenizer."""
        return self.bar + 1 - self.cuts

    @property
    def bars_written(self) -> int:
        """Whole bars of the form."""
        before = sum(section.bars for section in self.plan.sections[: max(self.section, 0)])
        return before if self.section < 0 else before + max(self.bar, 0)

    def begin_bar(self, position: int) -> bool:
        """A bar begins at `position`; True where the section before ends there."""
        if self.bar + 1 < self._bars:
            self.bar += 1
            return False
        self._close(position)
        self.section += 1
        self.start, self.bar, self.cuts = position, 0, 0
        self.done = self.section == len(self.plan.sections)
        return True

    def stop(self, position: int) -> None:
        """The piece ends before `position`, even if its form is incomplete."""
        self._close(position)
        self.done = True

    def theme(self) -> Span | None:
        """The first section with this section's label; None where the label is new."""
        back = self.plan.returns(self.section) if self.section > 0 else None
        if back is None:
            return None
        prompts = len(self.spans) - self.section  # the span of a prompt comes first
        return self.spans[prompts + back]

    @property
    def _bars(self) -> int:
        """The bars of this section."""
        prompt = self.section == PROMPT
        return self._prompt_bars if prompt else self.plan.sections[self.section].bars

    def _close(self, position: int) -> None:
        self.spans.append(Span(self.name, self.start, position))
