"""A user's music as the prompt of a model: encoded, up to a bar line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from musictk.errors import UsageError
from musictk.music import bar_lines, bars
from musictk.tokens import Frames, Tokenizer

_ATTEMPTS = 4


@dataclass(frozen=True)
class EncodedPrompt:
    """Music as a model's tokenizer encodes it."""

    sequence: NDArray[Any]  # whole bars up to `start`
    music: ScoreTick  # the whole music, encoded and decoded
    start: int  # tick of the given music: the bar line where new bars begin


def encode_prompt(tokenizer: Tokenizer, given: ScoreTick) -> EncodedPrompt:
    """Encode music up to the bar line after its end.

    A note is added after that bar line and removed from the encoding, so that bars of rest before
    it are encoded with any tokenizer. Where the tokenizer's bars differ from the music's, silence
    is added before the music so that the bar line falls on one of the tokenizer's.

    Raises ValueError for music without a note that the tokenizer can represent.
    """
    music = tokenizer.decode(tokenizer.encode(given))
    assert isinstance(music, ScoreTick)
    start = next_bar(given)
    sequence, _ = encode_before(tokenizer, given, music, start)
    return EncodedPrompt(sequence, music, start)


def encode_before(
    tokenizer: Tokenizer, given: ScoreTick, music: ScoreTick, line: int
) -> tuple[NDArray[Any], bool]:
    """Encode music that ends before its bar line at the tick `line`.

    `music` is what the tokenizer decodes of the piece: one of its notes is needed, to mark the bar
    line. Returns whole bars up to `line`, and whether they begin where those of the music do: False
    where silence was added before it.
    """
    marked = with_note(given, line, music)
    sequence, late, short = _cut(tokenizer, marked)
    best, delay = sequence, 0
    for _ in range(_ATTEMPTS):  # a delay may change how the first bars are encoded
        if not late:
            return best, delay == 0
        delay += round(short * given.ticks_per_quarter)
        best, late, short = _cut(tokenizer, _delayed(marked, delay))
    return sequence if late else best, False


def next_bar(given: ScoreTick) -> int:
    """The first bar line after all notes and changes of tempo, metre and key."""
    changes = (given.tempos, given.time_signatures, given.key_signatures)
    last = max((int(change.time) for kind in changes for change in kind), default=0)
    return int(bars(given, least=last)[-1])


def last_positions(tokenizer: Tokenizer, sequence: NDArray[Any], most: int) -> NDArray[Any]:
    """The last `most` positions, from the first bar line among them; 0: all of them.

    Bars of frames are counted from the first, so the part of a bar that is cut off is silenced.
    """
    if not most or len(sequence) <= most:
        return sequence
    first = len(sequence) - most
    starts = tokenizer.bar_starts(sequence)
    later = starts[starts >= first]
    if len(later) and later[0] < len(sequence):
        return sequence[later[0] :]
    if isinstance(tokenizer.space, Frames) and len(starts):
        kept = sequence[starts[-1] :].copy()
        kept[: first - starts[-1]] = 0
        return kept
    return sequence[first:]


def count_bars(tokenizer: Tokenizer, sequence: NDArray[Any]) -> int:
    """The bars of a sequence of whole bars. Raises UsageError where there are none."""
    found = len(tokenizer.bar_starts(sequence))
    if not found:
        raise UsageError("the theme has no bar", "give music with bar lines")
    return found


def _cut(tokenizer: Tokenizer, marked: ScoreTick) -> tuple[NDArray[Any], bool, float]:
    """(encoding before the last note's bar, whether the note is after its bar line, distance).

    The distance is from the note to the end of the bar, in quarter notes.
    """
    sequence = tokenizer.encode(marked)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    starts = tokenizer.bar_starts(sequence)
    lines = bar_lines(music, len(starts))
    onset = max(int(track.notes.numpy()["time"].max()) for track in music.tracks if track.notes)
    bar = int(np.searchsorted(lines[: len(starts)], onset, "right")) - 1
    short = (lines[bar + 1] - onset) / music.ticks_per_quarter
    return sequence[: starts[bar]], onset > lines[bar], short


def _free_pitch(music: ScoreTick) -> tuple[int, bool]:
    """The pitch in the tokenizer's range that has been silent the longest, and whether it is a
    drum's: repeating a note would change the note before it."""
    found = [track for track in music.tracks if len(track.notes)]
    is_drum = all(track.is_drum for track in found)
    ends: dict[int, int] = {}
    for track in found:
        if track.is_drum == is_drum:
            for note in track.notes:
                ends[note.pitch] = max(ends.get(note.pitch, 0), note.end)
    pitches = range(min(ends), max(ends) + 1)
    return min(pitches, key=lambda pitch: ends.get(pitch, -1)), is_drum


def with_note(given: ScoreTick, tick: int, music: ScoreTick) -> ScoreTick:
    """The music with one more note at a tick, which a tokenizer that decoded `music` represents."""
    pitch, is_drum = _free_pitch(music)
    marked = given.copy()
    note = NoteTick(tick, max(marked.ticks_per_quarter // 2, 1), pitch, 64)
    for track in marked.tracks:
        if track.is_drum == is_drum and len(track.notes):
            track.notes.append(note)
            return marked
    program = next(each.program for each in music.tracks if each.is_drum == is_drum)
    alone = TrackTick("", program, is_drum)
    alone.notes.append(note)
    marked.tracks.append(alone)
    return marked


def _delayed(given: ScoreTick, ticks: int) -> ScoreTick:
    """The music `ticks` later, in its first metre from the beginning."""
    moved = given.shift_time(ticks)
    signs = sorted(moved.time_signatures, key=lambda sign: sign.time)
    first = signs[0] if signs and signs[0].time <= ticks else None
    moved.time_signatures.clear()
    if first is not None:
        moved.time_signatures.append(TimeSignatureTick(0, first.numerator, first.denominator))
    for sign in signs:
        if sign is not first:
            moved.time_signatures.append(sign)
    return moved
