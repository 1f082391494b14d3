"""One piece while it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.bar_plan import BarPlan
from musictk.generation.draw import Noise
from musictk.generation.form import Form
from musictk.generation.keep import KeptTokens, keep_rhythm
from musictk.generation.limits import PieceLimits
from musictk.generation.opening import Notice, Opening
from musictk.generation.progress import FormProgress
from musictk.generation.sampling import Sampling
from musictk.generation.section_memory import SectionMemory, repeats_exactly
from musictk.generation.sequence import GrowingSequence
from musictk.generation.silence import FrameSilence, Silence, frames_per_bar
from musictk.tokens import Frames, Parser, Tokenizer
from musictk.tokens.checked import allowed_by, bar_starts

_ENDLESS = 1 << 40
_BAR_LIMIT = 512  # positions after which a bar must end
_OVERTIME = 64  # positions that a bar past its limit gets to reach a bar line by itself


class Draft:
    """A piece that grows by one position at a time.

    It is done when the bar after its last one would begin, or when it has `max_tokens` or the
    opening's `positions`. Only `write` changes its sequence, and only `begin_bar` its bars.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        plan: Form,
        bar_plan: BarPlan,
        opening: Opening,
        sampling: Sampling,
        noise: Noise,
    ) -> None:
        prompt, grammar = opening.prompt, tokenizer.grammar()
        bars = bar_starts(tokenizer, prompt)
        self.tokenizer, self.noise = tokenizer, noise
        self._notices: list[Notice] = []
        self.progress = FormProgress(plan, len(bars), len(prompt) > 0 and not opening.theme)
        self.memory = SectionMemory(tokenizer, sampling, grammar)
        self.silence = Silence(tokenizer)
        if repeats_exactly(plan, sampling):  # to its last note: without a cadence of its own
            sampling = replace(sampling, cadence=False)
        self.limits = PieceLimits(tokenizer, bar_plan, sampling, prompt)
        self.parser: Parser | None = grammar.parser() if grammar else None
        if self.parser:
            for token in prompt.tolist():
                self.parser.advance(token)
        frames = isinstance(tokenizer.space, Frames)
        self._frame_silence = FrameSilence(tokenizer) if frames else None
        self._sequence = GrowingSequence(prompt)
        self._ahead: tuple[int, Parser] | None = None  # a token, and the parser after it
        self._allows_ahead: NDArray[np.bool_] | None = None  # what that parser allows
        self._allows: NDArray[np.bool_] | None = None  # what the parser allows
        self._bar_line: tuple[tuple[int, int, int], bool] | None = None
        self._forced: tuple[tuple[int, int], NDArray[np.bool_] | None] | None = None
        self.after = opening.after
        # The bars of a plan: the prompt's, those to be written, those after them.
        own = tokenizer.bar_starts(self.after)
        places = np.searchsorted(own, np.arange(len(self.after)), "right") - 1
        self.bars_after = len(bar_plan.ids) - len(own) + np.maximum(places, 0)
        self._bars = bars.tolist()  # where each bar begins, those of the prompt included
        self._period = frames_per_bar(tokenizer) if frames else 0
        self.kept = None if opening.kept is None else keep_rhythm(tokenizer, opening.kept, prompt)
        self._limit = _BAR_LIMIT if self.kept is None else _ENDLESS  # positions of a bar of tokens
        self._whole = len(prompt) if opening.whole else 0  # the length of a prompt of whole bars
        limits = [most for most in (sampling.max_tokens, opening.positions) if most]
        self._most = len(prompt) + min(limits) if limits else 0
        self._begin_ending()

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
    def notices(self) -> tuple[Notice, ...]:
        """The deviations of a complete piece from its request."""
        last, found = self.progress.plan.sections[-1], self._notices
        if self.limits.ending.is_missed(self.sequence):
            found = [*found, Notice("cadence-left-out", last.name, last.bars)]
        return tuple(found)

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

    @property
    def next_bar(self) -> int:
        """The bar of the next position."""
        return self.following if self.must_begin_bar and not self._period else self.bar

    @property
    def following(self) -> int:
        """The bar of the next position if it begins one."""
        return self.bar + bool(self._bars or self._period)

    def forced(self) -> NDArray[np.bool_] | None:
        """(V,) the tokens that something chosen for this bar needs here; None if nothing does."""
        if not self.limits.is_forcing:
            return None
        key = self.length, self.bar
        if self._forced is None or self._forced[0] != key:
            written = self.sequence[self._bar_start :]
            self._forced = key, self.limits.forced(self.bar, written, self.parser)
        return self._forced[1]

    def grammar_allows(self) -> NDArray[np.bool_] | None:
        """(V,) what the grammar allows next; None where everything may follow."""
        if self._allows is None and self.parser is not None:
            self._allows = allowed_by(self.parser, self.tokenizer)
        return self._allows

    def parser_after(self, token: int) -> Parser | None:
        """The parser after `token`, which may be the next; do not change it."""
        if self.parser is None:
            return None
        if self._ahead is None or self._ahead[0] != token:
            self._ahead, self._allows_ahead = (token, self.parser.fork()), None
            self._ahead[1].advance(token)
        return self._ahead[1]

    def allowed_after(self, token: int) -> NDArray[np.bool_]:
        """(V,) what the grammar allows after `token`, which may be the next."""
        parser = self.parser_after(token)
        assert parser is not None
        if self._allows_ahead is None:
            self._allows_ahead = allowed_by(parser, self.tokenizer)
        return self._allows_ahead

    def limit_ignored(self, allowed: NDArray[np.bool_] | None = None) -> None:
        """Note that the limits of this bar left no token to write, of those `allowed` before."""
        names = ", ".join(self.limits.plan.enforced(self.next_bar, allowed))
        detail = f"({names})" if names else ""
        begun = self.next_bar < len(self._bars)
        self._notices.append(Notice("limit-ignored", *self.progress.place_of(begun), detail))

    @property
    def overdue(self) -> bool:
        """Whether this bar has reached its maximum length and should end."""
        return self._frame_silence is None and self.length - self._bar_start >= self._limit

    @property
    def must_sound(self) -> bool:
        """Whether the next frame must have a note; of tokens, whether this bar must have one."""
        if self._frame_silence:
            return self._frame_silence.too_long(self.progress, self.length) or self._late_ending
        if self.kept is not None:  # a rhythm may have bars of rest
            return False
        return self.silence.too_long(self.progress) or self.in_last_bar

    @property
    def lacks_notes(self) -> bool:
        """Whether this bar needs more notes to have half of those of the theme that it varies."""
        follower, sets = self.memory.follower, self.limits.plan.sets
        if follower is None or not follower.lacks_notes or self.overdue:
            return False
        return not (sets("density", self.bar) or sets("polyphony", self.bar))

    @property
    def in_last_bar(self) -> bool:
        """Whether this is the last bar of a piece that ends there."""
        return self.limits.plan.end == self.bar + 1

    @property
    def _late_ending(self) -> bool:
        """Whether half of the last bar has passed without a note."""
        passed = self.length % self._period
        late = self.in_last_bar and passed >= self._period // 2
        return late and not self.sequence[self.length - passed :].any()

    def bar_is_silent(self) -> bool:
        """Whether the bar of tokens being written has no note so far."""
        if self._frame_silence or self.progress.bar < 0 or self.must_begin_bar:
            return False
        now = None if self.parser is None else self.parser.texture()
        if now is not None:
            return now.begun == now.due
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
            self._notices.append(Notice("bar-cut", *self.progress.place))
        if not self._frame_silence:
            self.silence.record_bar(self.bar_is_silent())
        self._bars.append(self.length)
        self.limits.begin_bar(self.bar, self.sequence)
        closes = self.bar == self.limits.ending.bar
        section_ends = self.progress.begin_bar(self.length)
        if not section_ends:
            self.memory.begin_bar(self.progress, self.sequence, closes)
        elif not self.done:
            self.memory.begin_section(self.progress, self.sequence, closes)
        return section_ends

    def theme_opening(self) -> Any:
        """The first position of the theme's bar; None if the model is to be sampled."""
        follower = self.memory.follower
        return follower.opening() if follower else None

    def theme_position(self, allowed: NDArray[np.bool_] | None) -> Any:
        """The theme's next token or frame; None if the model is to be sampled."""
        follower = self.memory.follower
        return follower.expected(allowed, self.parser) if follower else None

    def write(
        self, position: Any, allowed: NDArray[np.bool_] | None, inserted: bool = False
    ) -> None:
        """Append a token or a frame; `allowed` is the mask of tokens that could have been written.

        `inserted`: the theme that is followed does not have it. The last of `max_tokens` ends the
        piece, in the middle of a bar or not.
        """
        if self._frame_silence:
            self._frame_silence.advance(position)
        if self.memory.follower and not inserted:
            self.memory.follower.advance(position, allowed)
        if isinstance(self.kept, KeptTokens):
            self.kept.advance(position)
        if not self._frame_silence:
            self.parser = self.parser_after(position)
            self._ahead, self._allows, self._allows_ahead = None, self._allows_ahead, None
            self.limits.advance(position)
        self._sequence.append(position)
        self._begin_ending()
        if self.length == self._most:
            self.progress.stop(self.length)

    def _begin_ending(self) -> None:
        """Begin the ending of frames before the first of the last bar is predicted."""
        if self._period and self.length % self._period == 0:
            self.limits.ending.begin_bar(self.bar, self.sequence)

    @property
    def _overtime(self) -> bool:
        """Whether this bar of tokens is so far past its limit that it ends without a bar line."""
        return self.overdue and self.length - self._bar_start >= self._limit + _OVERTIME

    def _is_bar_line(self, position: Any) -> bool:
        if self._frame_silence:
            return self._begins_with(position)
        key = int(position), self.length, self.progress.bar_lines
        if self._bar_line is None or self._bar_line[0] != key:
            self._bar_line = key, self._begins_with(position)
        return self._bar_line[1]

    def _begins_with(self, position: Any) -> bool:
        section = self._sequence.followed_by(position, self.progress.start)
        return len(self.tokenizer.bar_starts(section)) > self.progress.bar_lines
