"""Bars to write between given ones, as a model's tokenizer encodes the music around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList, ScoreTick, TrackTick

from musictk.generation.prompts import encode_before
from musictk.generation.request import from_prompt
from musictk.generation.silence import frames_per_bar
from musictk.music import Notes, bar_lines, bars, in_effect_from, metres
from musictk.tokens import METRE, Frames, Tokenizer
from musictk.tokens.infill import GIVEN

_NEVER = 1 << 62  # later than any tick


class BarRange(NamedTuple):
    """Bars to rewrite, in ticks of the music."""

    start: int  # the bar line before the first
    stop: int  # the bar line after the last
    until: int  # the bar line up to which the music after them is given

    def begins(self, found: Notes) -> NDArray[np.bool_]:
        """(N,) which notes begin in these bars."""
        return (found.start >= self.start) & (found.start < self.stop)


@dataclass(frozen=True)
class Gap:
    """Bars to write, and the music around them."""

    past: NDArray[Any]  # whole bars before them; may be empty
    after: NDArray[Any]  # whole bars after them; may be empty
    edges: tuple[int, ...]  # ticks of the music: where each bar of the model begins, the last ends
    positions: int  # how long they last, where that is no whole number of bars; else 0
    metres: tuple[str, ...]  # of each bar, where the tokenizer encodes them
    following: int  # bars of the piece after those of `after`
    aligned: bool  # whether the tokenizer has the bar lines of the music

    @property
    def bars(self) -> int:
        """The number of the model's bars."""
        return len(self.edges) - 1

    @property
    def begins(self) -> int:
        """The tick of the music at which the first of them begins."""
        return self.edges[0]


def encode_gap(
    tokenizer: Tokenizer, given: ScoreTick, music: ScoreTick, place: BarRange, most: int
) -> Gap:
    """Encode what is around some bars; notes that begin in these bars are ignored.

    `music` is what the tokenizer decodes of the piece. At most `most` positions of the music after
    the bars are given, and as many bars as in training.
    """
    around = _Around(tokenizer, music, without(given, place.start, place.stop))
    gap = around.aligned(place) or around.unaligned(place)
    later = int((bars(given) >= place.stop).sum()) - 1  # of the music
    kept = cut_after(tokenizer, gap.after, most)
    following = max(later - len(tokenizer.bar_starts(kept)), 0)
    return replace(gap, after=kept, following=following)


def encode_up_to(
    tokenizer: Tokenizer, given: ScoreTick, music: ScoreTick, line: int
) -> tuple[NDArray[Any], bool]:
    """Whole bars up to a bar line (tick) of some music, and whether they end there.

    `music` is what the tokenizer decodes of the piece.
    """
    if not line:
        return from_prompt((), tokenizer.space), True
    return encode_before(tokenizer, without(given, line, None), music, line)


def encode_range(
    tokenizer: Tokenizer, given: ScoreTick, music: ScoreTick, place: BarRange, count: int
) -> NDArray[Any] | None:
    """The bars themselves as `count` bars of the tokenizer; None where it has other bar lines.

    `music` is what the tokenizer decodes of the piece.
    """
    whole, exact = encode_up_to(tokenizer, given, music, place.stop)
    past, also = encode_up_to(tokenizer, given, music, place.start)
    starts = tokenizer.bar_starts(whole)
    first = len(tokenizer.bar_starts(past))
    if not (exact and also) or len(starts) - first != count:
        return None
    return whole[starts[first] :]


@dataclass(frozen=True)
class _Around:
    """The music around some bars."""

    tokenizer: Tokenizer
    music: ScoreTick  # what the tokenizer decodes of the piece
    given: ScoreTick  # without the notes of the bars

    def aligned(self, place: BarRange) -> Gap | None:
        """Slices of one encoding; None where the tokenizer has other bar lines than the music."""
        past, exact = self._before(place.start)
        gap, also = self._before(place.stop)
        whole, all_of_it = self._before(place.until)
        if not all_of_it:  # it ends within a bar
            whole = self._encoded(without(self.given, place.until, None))
        starts = self.tokenizer.bar_starts(whole)
        first, last = (len(self.tokenizer.bar_starts(each)) for each in (past, gap))
        if not (exact and also and first < last <= len(starts)):
            return None
        lines, others = self._lines(gap, last), self._lines(whole, last)
        if lines[first : last + 1] != others[first : last + 1]:
            return None
        ends = [*starts.tolist(), len(whole)]
        edges = [
            place.stop - round((lines[last] - line) * self._quarter)
            for line in lines[first : last + 1]
        ]
        if len(past):  # an opening bar may be shorter in the music
            edges[0] = place.start
        named = self._metres(gap)[first:last]
        return Gap(past, whole[ends[last] :], tuple(edges), 0, named, 0, True)

    def unaligned(self, place: BarRange) -> Gap:
        """The music before the bars and after them, encoded separately."""
        past, _ = self._before(place.start)
        after = self._after(place)
        signs = self.music.time_signatures  # a tokenizer may decode music without one
        sign = (signs[-1].numerator, signs[-1].denominator) if signs else (4, 4)
        length = 4 * Fraction(*sign)  # quarter notes of a bar
        count, positions = Fraction(place.stop - place.start, self._quarter) / length, 0
        whole = range(max(-int(-count // 1), 1) + 1)
        edges = [place.start + round(number * length * self._quarter) for number in whole]
        if METRE in self.tokenizer.attributes():  # a bar may have any length, or nearly
            own = bars(self.given, least=place.stop)
            edges = own[(own >= place.start) & (own <= place.stop)].tolist()
        elif isinstance(self.tokenizer.space, Frames) and count.denominator > 1:
            positions = round(count * frames_per_bar(self.tokenizer))
        return Gap(past, after, tuple(edges), positions, (), 0, False)

    @property
    def _quarter(self) -> int:
        return self.given.ticks_per_quarter

    def _before(self, line: int) -> tuple[NDArray[Any], bool]:
        return encode_up_to(self.tokenizer, self.given, self.music, line)

    def _after(self, place: BarRange) -> NDArray[Any]:
        """The music from the end of the range on: it begins a bar, and may end within one."""
        return self._encoded(from_tick(without(self.given, place.until, None), place.stop))

    def _encoded(self, piece: ScoreTick) -> NDArray[Any]:
        """The music as it is; nothing where there is no note that the tokenizer can represent."""
        try:
            return self.tokenizer.encode(piece)
        except ValueError:
            return from_prompt((), self.tokenizer.space)

    def _lines(self, sequence: NDArray[Any], count: int) -> list[Fraction]:
        """The bar lines of a sequence in quarter notes."""
        music = self.tokenizer.decode(sequence)
        assert isinstance(music, ScoreTick)
        return [Fraction(line, music.ticks_per_quarter) for line in bar_lines(music, count)]

    def _metres(self, sequence: NDArray[Any]) -> tuple[str, ...]:
        """The metre of each bar; () where the tokenizer encodes none."""
        if METRE not in self.tokenizer.attributes():
            return ()
        music = self.tokenizer.decode(sequence)
        assert isinstance(music, ScoreTick)
        count, found = len(self.tokenizer.bar_starts(sequence)), metres(music)
        lines = bar_lines(music, count)[:count]
        index = np.searchsorted(found.start, lines, "right") - 1
        pairs = zip(found.numerator[index].tolist(), found.denominator[index].tolist(), strict=True)
        return tuple(f"{over}/{under}" for over, under in pairs)


def cut_after(tokenizer: Tokenizer, sequence: NDArray[Any], most: int) -> NDArray[Any]:
    """The first bars of a sequence: at most `GIVEN`, in at most `most` positions."""
    ends = np.append(tokenizer.bar_starts(sequence), len(sequence))
    fit = ends[: GIVEN + 1]
    fit = fit[fit <= most]
    end = int(fit[-1]) if len(fit) else 0
    return sequence[: end or most]  # of a bar that is longer, the beginning


def without(given: ScoreTick, start: int, stop: int | None) -> ScoreTick:
    """The music without the notes that begin from `start` on, up to `stop`.

    Without `stop`, later changes of tempo, metre and key are left out too.
    """
    kept = given.copy()
    for track in kept.tracks:
        time = track.notes.numpy()["time"]
        choose_notes(track, (time < start) | (time >= (_NEVER if stop is None else stop)))
    if stop is None:
        for changes in (kept.tempos, kept.time_signatures, kept.key_signatures):
            _replace(changes, [change for change in changes if change.time <= start])
    return kept


def from_tick(given: ScoreTick, start: int) -> ScoreTick:
    """The music from the tick `start` on, moved to tick 0, in the tempo and metre in force."""
    kept = given.copy()
    for track in kept.tracks:
        choose_notes(track, track.notes.numpy()["time"] >= start)
    found: list[Any] = [kept.tempos, kept.time_signatures, kept.key_signatures]
    for changes in found:
        chosen = in_effect_from(changes, start)
        for change in chosen:
            change.time = max(change.time, start)
        _replace(changes, chosen)
    return kept.shift_time(-start)


def choose_notes(track: TrackTick, kept: NDArray[np.bool_]) -> None:
    """Leave out notes of a track; what else is on it does not matter to encode it."""
    columns = track.notes.numpy()
    names = ("time", "duration", "pitch", "velocity")
    track.notes = NoteTickList.from_numpy(*(columns[name][kept] for name in names))
    for events in (track.controls, track.pedals, track.pitch_bends, track.lyrics):
        events.clear()


def _replace(changes: Any, chosen: list[Any]) -> None:
    changes.clear()
    changes.extend(chosen)
