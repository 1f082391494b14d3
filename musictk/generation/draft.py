"""One piece in the making: what is written, and where in its form it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.generation.draw import Noise
from musictk.generation.form import Form
from musictk.generation.memory import Follower, blend_weight, variation_of
from musictk.generation.sampling import Sampling
from musictk.generation.spans import Span
from musictk.generation.theme import Theme
from musictk.tokens import Frames, Parser, Tokenizer

_OVERTIME = 64  # positions that a bar past its limit gets to reach a bar line by itself
_BUSY = 24  # positions of a bar that need no look for notes


@dataclass(frozen=True)
class Notice:
    """Something that was not as asked."""

    kind: str  # "bar-cut": a bar reached its limit and was ended without its bar line
    section: str
    bar: int  # of the section, from 1


@dataclass(frozen=True)
class Opening:
    """What a piece begins with."""

    prompt: NDArray[Any]  # may be empty
    whole: bool = False  # it ends at a bar line: what is written next begins a bar
    theme: bool = False  # it is the first section of the form, not a section before that


class Draft:
    """Writes positions, counts bars, moves from section to section.

    A piece is done when the bar after its last one would begin, or when it has `max_tokens`. A
    prompt is a section of its own, unless it is the theme of the form.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        plan: Form,
        opening: Opening,
        sampling: Sampling,
        limit: int,
        noise: Noise,
    ) -> None:
        self.tokenizer, self.plan, self.noise = tokenizer, plan, noise
        prompt = opening.prompt
        self.sampling = sampling
        self.frames = isinstance(tokenizer.space, Frames)
        self._limit = limit
        self._grammar = tokenizer.grammar()
        self.parser: Parser | None = self._grammar.parser() if self._grammar else None
        self._buffer = np.zeros((max(1024, 2 * len(prompt)), *prompt.shape[1:]), prompt.dtype)
        self._buffer[: len(prompt)] = prompt
        self.length = len(prompt)
        if self.parser:
            for token in prompt.tolist():
                self.parser.advance(token)
        self.spans: list[Span] = []
        self.notices: list[Notice] = []
        self._whole = opening.whole and len(prompt) > 0
        # Of the section being written; -1 is the prompt.
        self.index = -1 if len(prompt) and not opening.theme else 0
        self.start = 0  # where that section began
        self.bar = len(tokenizer.bar_starts(prompt)) - 1  # of the section; -1 before its first
        self._bar_start = int(tokenizer.bar_starts(prompt)[-1]) if self.bar >= 0 else 0
        self._cuts = 0  # bars of this section that were cut
        self._was_silent = False
        self._prompted = self.bar + 1
        self._given = len(prompt)
        self._most = len(prompt) + sampling.max_tokens if sampling.max_tokens else 0
        self.follower: Follower | None = None
        self.weight = 0.0  # of the memory context in this bar
        self.done = False
        self._metre = 0  # that holds, once it was asked for
        self._quiet = 0  # frames since one sounded
        self._frames_a_bar = _frames_a_bar(tokenizer)

    @property
    def sequence(self) -> NDArray[Any]:
        """What is written so far; a view."""
        return self._buffer[: self.length]

    @property
    def at_bar_line(self) -> bool:
        """Whether a bar has to begin here: a given bar is whole, and nothing is added to it."""
        return self._whole and self.length == self._given

    @property
    def name(self) -> str:
        """Of the section being written."""
        last = len(self.plan.sections) - 1
        return self.plan.sections[min(self.index, last)].name if self.index >= 0 else "prompt"

    def metre(self, metres: NDArray[np.int64]) -> int:
        """The metre said first (by a prompt: last), by what each token says; 0 before any."""
        if self._metre == 0:
            said = metres[self.sequence]
            self._metre = int(said[said > 0][-1]) if (said > 0).any() else 0
        return self._metre

    @property
    def bars_written(self) -> int:
        """Whole bars of the plan."""
        before = sum(section.bars for section in self.plan.sections[: max(self.index, 0)])
        return before if self.done or self.index < 0 else before + max(self.bar, 0)

    @property
    def overdue(self) -> bool:
        """Whether this bar is longer than a bar may be, and must come to its end."""
        return not self.frames and self.length - self._bar_start >= self._limit

    def begins_bar(self, position: Any) -> bool:
        """Whether a bar would begin with `position` (a token or a frame)."""
        if self.length + 1 > len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.zeros_like(self._buffer)])
        self._buffer[self.length] = position
        starts = self.tokenizer.bar_starts(self._buffer[self.start : self.length + 1])
        if len(starts) + self._cuts > self.bar + 1:
            return True
        if self.length - self._bar_start < self._limit + _OVERTIME or self.frames:
            return False
        self._cuts += 1
        self.notices.append(Notice("bar-cut", self.name, self.bar + 1))
        return True

    @property
    def speechless(self) -> bool:
        """Whether so many frames were empty that the next must sound."""
        if self.bar == 0 and self._quiet >= self.length - self.start:
            return self._quiet >= self._frames_a_bar // 2
        return self._quiet >= self._frames_a_bar

    def too_silent(self) -> bool:
        """Whether the bar being written must have a note before the next may begin.

        A section's first bar must, and so must a bar after a silent one.
        """
        busy = self.length - self._bar_start > _BUSY
        if self.frames or self.bar < 0 or busy or self.at_bar_line:
            self._was_silent = False
            return False
        silent = _silent(self.tokenizer, self.sequence[self._bar_start :])
        if silent and (self.bar == 0 or self._was_silent) and self.index >= 0:
            return True
        self._was_silent = silent
        return False

    def turn_page(self) -> bool:
        """A bar begins here; True where a section begins with it. Sets `done` after the last."""
        last = self._prompted if self.index < 0 else self.plan.sections[self.index].bars
        self._bar_start = self.length
        if self.bar + 1 < last:
            self.bar += 1
            self.weight = self._memory_weight()
            if self.follower:
                self.follower.enter(self.bar, self.sequence)
            return False
        self.spans.append(Span(self.name, self.start, self.length))
        self.index += 1
        self.start, self.bar, self._cuts = self.length, 0, 0
        self.done = self.index == len(self.plan.sections)
        if not self.done:
            self.follower, self.weight = self._follower(), self._memory_weight()
        return True

    def write(self, position: Any, allowed: NDArray[np.bool_] | None) -> None:
        """Append a token or a frame; `allowed` is what could have stood in its stead.

        The last of `max_tokens` ends the piece where it stands, in the middle of a bar or not.
        """
        if self.frames:
            self._quiet = 0 if position.any() else self._quiet + 1
        if self.follower:
            self.follower.advance(position, allowed)
        if self.parser:
            self.parser.advance(position)
        self._buffer[self.length] = position
        self.length += 1
        if self.length == self._most:
            self.spans.append(Span(self.name, self.start, self.length))
            self.done = True

    def theme(self) -> Span | None:
        """Where the theme that this section returns to was first heard; None for a new label."""
        back = self.plan.returns(self.index) if self.index > 0 else None
        if back is None:
            return None
        prompts = len(self.spans) - self.index  # the prompt's span stands before the plan's
        return self.spans[prompts + back.first]

    def _memory_weight(self) -> float:
        # A theme's blend where one returns; elsewhere the contrast with all that was before.
        if self.index <= 0:
            return 0.0
        if self.theme() is None:
            return self.sampling.contrast
        variation = self._variation()
        return blend_weight(self.sampling, variation, self.bar) if variation > 0 else 0.0

    def _variation(self) -> float:
        return variation_of(self.sampling, self.plan.sections[self.index].primes)

    def _follower(self) -> Follower | None:
        theme, variation = self.theme(), self._variation()
        if theme is None or variation >= 1:
            return None
        heard = Theme(self.tokenizer, self.sequence, theme)
        follower = Follower(heard, variation, self.sampling.figure, self._grammar)
        follower.enter(0, self.sequence)
        return follower


def _silent(tokenizer: Tokenizer, segment: NDArray[Any]) -> bool:
    piece = tokenizer.decode(segment)
    return isinstance(piece, ScoreTick) and piece.note_num() == 0


def _frames_a_bar(tokenizer: Tokenizer) -> int:
    if not isinstance(tokenizer.space, Frames):
        return 0
    starts = tokenizer.bar_starts(np.zeros((1024, tokenizer.space.width), np.uint8))
    return int(starts[1] - starts[0]) if len(starts) > 1 else 1024
