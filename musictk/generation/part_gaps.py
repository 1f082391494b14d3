"""Bars of one part to write beside the other notes of these bars, as a tokenizer encodes both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.generation.gaps import BarRange, Gap, cut_after, encode_up_to, from_tick, without
from musictk.generation.prompts import last_positions, with_note
from musictk.tokens import Tokenizer
from musictk.tokens.infill import GIVEN

_LONG = 8  # quarter notes: a bar of a tokenizer is rarely longer
_ATTEMPTS = 4

Sequence = NDArray[Any]


@dataclass(frozen=True)
class PartGap:
    """Bars of a part to write, the other bars of this part, and the other part."""

    past: Sequence  # whole bars of the part to write; may be empty
    beside: Sequence  # the bars of the other part: those of `past`, of the gap, and one more
    after: Sequence  # bars of the part to write after the gap; may be empty

    def cut(self, tokenizer: Tokenizer, most: int) -> PartGap:
        """With the last `most` positions of the past, from a bar line on; 0: all of them."""
        past = last_positions(tokenizer, self.past, most)
        left_out = len(tokenizer.bar_starts(self.past)) - len(tokenizer.bar_starts(past))
        beside = self.beside[tokenizer.bar_starts(self.beside)[left_out] :]
        return replace(self, past=past, beside=beside)


@dataclass(frozen=True)
class PartsAround:
    """The part that is written and the other part of some music."""

    written: ScoreTick
    beside: ScoreTick
    music: ScoreTick  # what the tokenizer decodes of the piece

    def gap(
        self, tokenizer: Tokenizer, gap: Gap, place: BarRange, ahead: int, most: int
    ) -> PartGap:
        """The two parts around some bars, whose music as a whole has the gap `gap`.

        `ahead` is the bar line (tick) up to which the other part is given. At most `most` positions
        of the part after the bars are given, and as many bars as in training. Raises UsageError
        where the tokenizer has no whole bars of the other part.
        """
        found = self._gap(tokenizer, gap, place, ahead)
        return replace(found, after=cut_after(tokenizer, found.after, most))

    def _gap(self, tokenizer: Tokenizer, gap: Gap, place: BarRange, ahead: int) -> PartGap:
        past, exact = encode_up_to(tokenizer, self.written, self.music, place.start)
        if gap.aligned and exact and _count(tokenizer, past) == _count(tokenizer, gap.past):
            beside, exact = encode_up_to(tokenizer, self.beside, self.music, ahead)
            least = _count(tokenizer, past) + gap.bars
            if exact and least <= _count(tokenizer, beside) <= least + 1:
                return PartGap(past, beside, self._after(tokenizer, gap, place, least))
        return self._joined(tokenizer, gap, past, place, ahead)

    def _joined(
        self, tokenizer: Tokenizer, gap: Gap, past: Sequence, place: BarRange, ahead: int
    ) -> PartGap:
        """The other part before the bars and from them on, encoded separately."""
        before, _ = encode_up_to(tokenizer, self.beside, self.music, place.start)
        common = min(_count(tokenizer, past), _count(tokenizer, before))
        later = from_tick(without(self.beside, ahead, None), place.start)
        music = self._bars(tokenizer, later, gap.bars + (ahead > place.stop))
        return PartGap(
            _last_bars(tokenizer, past, common),
            np.concatenate([_last_bars(tokenizer, before, common), music]),
            self._after(tokenizer, gap, place, None),
        )

    def _after(
        self, tokenizer: Tokenizer, gap: Gap, place: BarRange, first: int | None
    ) -> Sequence:
        """The bars of the written part after the gap.

        `first` is the number of bars before them; None: they are encoded separately.
        """
        count = min(_count(tokenizer, gap.after) + gap.following, GIVEN)
        if not count:
            return gap.after[:0]
        known = without(without(self.written, place.start, place.stop), place.until, None)
        if first is None:
            return self._bars(tokenizer, from_tick(known, place.stop), count)
        whole = self._bars(tokenizer, known, first + count)
        return whole[tokenizer.bar_starts(whole)[first] :]

    def _bars(self, tokenizer: Tokenizer, part: ScoreTick, count: int) -> Sequence:
        """The first `count` bars of a part, also where it is silent."""
        tick = part.ticks_per_quarter * _LONG * (count + 1)
        for _ in range(_ATTEMPTS):
            sequence = tokenizer.encode(with_note(part, tick, self.music))
            starts = tokenizer.bar_starts(sequence)
            if len(starts) > count:
                return sequence[: starts[count]]
            tick *= 2
        raise UsageError("the model cannot read the bars of the other part", "try another run")


def _count(tokenizer: Tokenizer, sequence: Sequence) -> int:
    return len(tokenizer.bar_starts(sequence))


def _last_bars(tokenizer: Tokenizer, sequence: Sequence, count: int) -> Sequence:
    if not count:
        return sequence[:0]
    return sequence[tokenizer.bar_starts(sequence)[-count] :]
