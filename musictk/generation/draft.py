"""One piece while it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.bar_plan import BarPlan
from musictk.generation.constraints import constraints
from musictk.generation.draw import Noise
from musictk.generation.form import Form
from musictk.generation.progress import FormProgress
from musictk.generation.sampling import Sampling
from musictk.generation.section_memory import SectionMemory
from musictk.generation.sequence import GrowingSequence
from musictk.generation.silence import FrameSilence, Silence, frames_per_bar
from musictk.tokens import METRE, Frames, Parser, Tokenizer

_OVERTIME = 64  # positions that a bar past its limit gets to reach a bar line by itself


@dataclass(frozen=True)
class Notice:
    """A deviation from the request."""

    kind: str  # "bar-cut": a bar reached its limit and was ended without its bar line
    section: str
    bar: int  # of the section, from 1


@dataclass(frozen=True)
class Opening:
    """The prompt of a piece, and its place in the form."""

    prompt: NDArray[Any]  # may be empty
    whole: bool = False  # it ends at a bar line: what is written next begins a bar
    theme: bool = False  # it is the first section of the form, not a section before that
    after: NDArray[Any] | None = None  # the music that follows the piece; None: it ends
    positions: int = 0  # after which the piece ends, if it has not before; 0: any number


class Draft:
    """A piece that grows by one position at a time.

    It is done when the bar after its last one would begin, or when it has `max_tokens` or the
    opening's `positions`. Only `begin_bar` and `write` change its state.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        plan: Form,
        bar_plan: BarPlan,
        opening: Opening,
        sampling: Sampling,
        limit: int,
        noise: Noise,
    ) -> None:
        prompt, grammar = opening.prompt, tokenizer.grammar()
        bars = tokenizer.bar_starts(prompt)
        self.tokenizer, self.noise = tokenizer, noise
        self.notices: list[Notice] = []
        self.progress = FormProgress(plan, len(bars), len(prompt) > 0 and not opening.theme)
        self.memory = SectionMemory(tokenizer, sampling, grammar)
        self.silence = Silence(tokenizer)
        self.constraints = constraints(tokenizer, sampling, prompt, METRE in bar_plan.chosen)
        self.parser: Parser | None = grammar.parser() if grammar else None
        if self.parser:
            for token in prompt.tolist():
                self.parser.advance(token)
        frames = isinstance(tokenizer.space, Frames)
        self._frame_silence = FrameSilence(tokenizer) if frames else None
        self._sequence = GrowingSequence(prompt)
        self._bar_plan = bar_plan
        self.prompt_length = len(prompt)
        self.after = prompt[:0] if opening.after is None else opening.after
        # The bars of a plan: the prompt's, those to be written, those after them.
        own = tokenizer.bar_starts(self.after)
        places = np.searchsorted(own, np.arange(len(self.after)), "right") - 1
        self.bars_after = len(bar_plan.ids) - len(own) + np.maximum(places, 0)
        self._bars = bars.tolist()  # where each bar begins, those of the prompt included
        self._period = frames_per_bar(tokenizer) if frames else 0
        self._limit = limit  # positions of a bar of tokens
        self._whole = len(prompt) if opening.whole else 0  # the length of a prompt of whole bars
        limits = [most for most in (sampling.max_tokens, opening.positions) if most]
        self._most = len(prompt) + min(limits) if limits else 0

    @property
    def sequence(self) -> NDArray[Any]:
        """What is written so far; a view."""
        return self._sequence.written

    @property
    def length(self) -> int:
        """Positions written so far."""
        return self._sequence.length

    @property
    def done(self) -> bool:
        """Whether the piece is complete."""
        return self.progress.done

    @property
    def must_begin_bar(self) -> bool:
        """Whether a bar has to begin here: after a prompt of whole bars."""
        return 0 < self._whole == self.length

    def bars_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bar that each position (T,) is in, counted from 0 with those of the prompt."""
        if self._period:
            return positions // self._period
        return np.maximum(np.searchsorted(self._bars, positions, "right") - 1, 0)

    @property
    def bar(self) -> int:
        """The bar of the next position if it begins none, counted as in `bars_of`."""
        return self.length // self._period if self._period else max(len(self._bars) - 1, 0)

    def allowed_in_bar(self, begins: NDArray[np.bool_], ahead: int = 0) -> NDArray[np.bool_] | None:
        """(V,) what the controls of this bar, or of one `ahead`, allow; None if everything.

        Tokens that begin a bar, (V,) `begins`, are limited by the controls of the next bar.
        """
        bar = self.bar + ahead
        here = self._bar_plan.allowed(bar)
        if self._period:
            return here
        later = self._bar_plan.allowed(bar + bool(self._bars))
        if here is None and later is None:
            return None
        everything = np.ones(len(begins), bool)
        return np.where(
            begins,
            everything if later is None else later,
            everything if here is None else here,
        )

    def dead_end(self, token: int, begins: NDArray[np.bool_]) -> bool:
        """Whether the controls would allow none of the tokens that may follow `token`."""
        limit = self.allowed_in_bar(begins, int(begins[token] and bool(self._bars)))
        if limit is None or self.parser is None:
            return False
        parser = self.parser.fork()
        parser.advance(token)
        return not (parser.allowed() & limit).any()

    @property
    def overdue(self) -> bool:
        """Whether this bar has reached its maximum length and should end."""
        return self._frame_silence is None and self._bar_length >= self._limit

    @property
    def must_sound(self) -> bool:
        """Whether the next frame must have a note; of tokens, whether this bar must have one."""
        if self._frame_silence:
            return self._frame_silence.too_long(self.progress, self.length)
        return self.silence.too_long(self.progress)

    def bar_is_silent(self) -> bool:
        """Whether the bar of tokens being written has no note so far."""
        if self._frame_silence or self.progress.bar < 0 or self.must_begin_bar:
            return False
        return self.silence.in_bar(self.sequence[self._bar_start :])

    @property
    def _bar_start(self) -> int:
        return self._bars[-1] if self._bars else 0

    def begins_bar(self, position: Any) -> bool:
        """Whether a bar would begin with `position`: at a bar line, or because it must end now."""
        return self._is_bar_line(position) or self._overtime

    def begin_bar(self, position: Any) -> bool:
        """Begin the bar that `position` begins; True where a section ends before it."""
        if not self._is_bar_line(position):
            self.progress.cuts += 1
            self.notices.append(Notice("bar-cut", self.progress.name, self.progress.bar + 1))
        self._bars.append(self.length)
        section_ends = self.progress.begin_bar(self.length)
        if not section_ends:
            self.memory.begin_bar(self.progress, self.sequence)
        elif not self.done:
            self.memory.begin_section(self.progress, self.sequence)
        return section_ends

    def theme_position(self, allowed: NDArray[np.bool_] | None) -> Any:
        """The theme's next token or frame; None if the model is to be sampled."""
        follower = self.memory.follower
        return follower.expected(allowed, self.parser) if follower else None

    def write(self, position: Any, allowed: NDArray[np.bool_] | None) -> None:
        """Append a token or a frame; `allowed` is the mask of tokens that could have been written.

        The last of `max_tokens` ends the piece, in the middle of a bar or not.
        """
        if self._frame_silence:
            self._frame_silence.advance(position)
        if self.memory.follower:
            self.memory.follower.advance(position, allowed)
        if self.parser:
            self.parser.advance(position)
        for constraint in self.constraints:
            constraint.advance(position)
        self._sequence.append(position)
        if self.length == self._most:
            self.progress.stop(self.length)

    @property
    def _bar_length(self) -> int:
        return self._sequence.length - self._bar_start

    @property
    def _overtime(self) -> bool:
        """Whether this bar of tokens is so far past its limit that it ends without a bar line."""
        return self._frame_silence is None and self._bar_length >= self._limit + _OVERTIME

    def _is_bar_line(self, position: Any) -> bool:
        section = self._sequence.followed_by(position, self.progress.start)
        return len(self.tokenizer.bar_starts(section)) > self.progress.bar_lines
