"""Bounds on the notes of a bar: how many begin in it, and how many sound together.

The bounds of a bar grow with the time that has passed in it, so that what they demand is spread
over the bar and not made up for at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import ceil, floor, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bars, Bounds
from musictk.generation.note_floor import count_onsets
from musictk.generation.silence import frames_per_bar
from musictk.tokens import PROGRAM, Parser, Texture, Tokenizer

NO_BOUNDS = Bounds()
_SLACK = 0.5  # of a bar: how much of its notes may come late or early
_ROUNDING = 1e-6
_RELEASE = 0.25  # of a quarter note: so long before the end of its bar a bass may end


def least_begun(bounds: Bounds, length: float, time: float) -> int:
    """The notes that a bar must have begun before `time`; at its `length`, all it must have."""
    return ceil(bounds.notes[0] * max(time - _SLACK * (length - time), 0.0) - _ROUNDING)


def most_begun(bounds: Bounds, length: float, time: float) -> float:
    """The notes that a bar may have begun at `time`.

    A bar that is so short that no number of notes is within the bounds has the least above them.
    """
    most = bounds.notes[1]
    if most == inf:
        return inf
    early = time + _SLACK * max(length - time, 0.0)
    whole = max(floor(most * length + _ROUNDING), least_begun(bounds, length, length))
    return min(whole, max(ceil(most * early - _ROUNDING), 1))  # with room for a note at the end


def breaks(
    bounds: Bounds,
    later: Bounds,
    held: float,
    before: Parser,
    parts: Iterable[Parser],
    begins: bool,
) -> bool:
    """Whether a token breaks the bounds of the bar that it is written in, after `before`.

    `parts`: the parser after each part of the token. `later`: the bounds of the bar that follows,
    which the token `begins` or not. `held`: the most notes that may last into that bar.
    """
    for after in parts:
        if _breaks(bounds, later, held, before, after, begins):
            return True
        before, bounds, begins = after, later if begins else bounds, False
    return False


def _breaks(
    bounds: Bounds, later: Bounds, held: float, before: Parser, after: Parser, ends: bool
) -> bool:
    was, now = before.texture(), after.texture()
    if was is None or now is None or (was is now and not ends):
        return False
    tokens_end_notes = before.extent() is None
    if ends or now.time > was.time:
        # Then those that are too many have to end before time passes.
        too_full = tokens_end_notes and was.sounding > bounds.voices[1]
        if too_full or _too_few(bounds, was, before, was.length if ends else now.time):
            return True
    if ends:
        return now.begun > 0 and _too_many(later, now)
    if bounds.bass is not None:
        with_others = bounds.voices[1] > 1
        if _leaves_bass(bounds.bass, was, now) or (with_others and _ends_bass(was, now)):
            return True
    too_many = now.begun > was.begun and _too_many(bounds, now)
    most = bounds.voices[1] if tokens_end_notes else held
    return too_many or now.held > max(was.held, most)


def _leaves_bass(bass: Collection[int], was: Texture, now: Texture) -> bool:
    """Whether a note begins above another bass than one of these."""
    if now.lowest in bass:
        return False
    # Instead of the note that was due there may be a tempo.
    return not now.due and now.begun > was.begun - was.due


def _ends_bass(was: Texture, now: Texture) -> bool:
    """Whether a bass is given an end long before that of its bar, or another follows it.

    Each note after its end would need another: a final chord would be a repeated bass.
    """
    another = was.bass_end < now.bass_end == inf
    return another or now.bass_end < now.length - _RELEASE <= was.bass_end


def _too_few(bounds: Bounds, was: Texture, before: Parser, until: float) -> bool:
    if was.begun < least_begun(bounds, was.length, until):
        return True
    if bounds.voices[0] <= 1:
        return False
    return 0 < before.voices(until) < bounds.voices[0] - _ROUNDING


def _too_many(bounds: Bounds, now: Texture) -> bool:
    most = most_begun(bounds, now.length, now.time)
    return now.begun > most or now.sounding > bounds.voices[1]


def is_ensemble(tokenizer: Tokenizer) -> bool:
    """Whether music is written for several instruments, which no pair of hands has to play."""
    return PROGRAM in tokenizer.attributes()


class FrameTexture:
    """Adds notes to frames and takes some away, so that their bars keep the bounds."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._period = frames_per_bar(tokenizer)
        probe = np.zeros((self._period, tokenizer.space.width), np.uint8)  # type: ignore[union-attr]
        probe[:, 60] = 1
        score = tokenizer.decode(probe)
        assert not isinstance(score, str)
        self._length = float(Bars.of(score, 1).beats[0])  # of a bar, in quarter notes

    def fit(
        self,
        frame: NDArray[Any],
        logits: NDArray[np.float32],
        bounds: Bounds,
        sequence: NDArray[Any],
    ) -> NDArray[Any]:
        """The frame (W,) that follows `sequence` (T, W), changed where its bar needs it.

        The least likely notes are left out and the most likely ones added, by `logits` (W,).
        """
        if bounds == NO_BOUNDS:
            return frame
        tick = len(sequence) % self._period
        padded = np.concatenate([np.zeros_like(frame)[None], sequence[-tick - 1 :]])
        before, begun = padded[-1], count_onsets(padded[-tick - 1], padded[len(padded) - tick :])
        time, next_time = (self._length * each / self._period for each in (tick, tick + 1))
        frame = frame.copy()
        room = most_begun(bounds, self._length, time) - begun
        _leave(frame, logits, (frame > 0) & (before == 0), room)
        _leave(frame, logits, frame > 0, bounds.voices[1])
        onsets = int(((frame > 0) & (before == 0)).sum())
        lacking = least_begun(bounds, self._length, next_time) - begun - onsets
        voices = ceil(bounds.voices[0]) - int(frame.sum()) if frame.any() else 0
        wanted = min(max(lacking, voices), room - onsets, bounds.voices[1] - int(frame.sum()))
        free = np.where((frame > 0) | (before > 0), -np.inf, logits)
        for pitch in np.argsort(-free)[: max(int(wanted), 0)]:
            frame[pitch] = np.isfinite(free[pitch])
        if bounds.bass is not None and tick and bounds.voices[1] > 1:
            _hold(frame, before, bounds.bass)
        if bounds.bass is not None and ((frame > 0) & (before == 0)).any():
            _stand_on(frame, logits, bounds.bass)
            higher = np.arange(len(frame)) > int(np.flatnonzero(frame)[0])
            _leave(frame, logits, (frame > 0) & (before == 0) & higher, room - 1)
            _leave(frame, logits, (frame > 0) & higher, bounds.voices[1] - 1)
        return frame


def thinned(frame: NDArray[Any], logits: NDArray[np.float32], most: float) -> NDArray[Any]:
    """The frame (W,) without its least likely notes, so that there are at most so many."""
    if np.count_nonzero(frame) <= most:
        return frame
    frame = frame.copy()
    _leave(frame, logits, frame > 0, most)
    return frame


def _hold(frame: NDArray[Any], before: NDArray[Any], bass: Collection[int]) -> None:
    """Let the lowest note of the frame `before` sound on if it is one of `bass`, in place."""
    sounding = np.flatnonzero(before)
    if len(sounding) and sounding[0] in bass:
        frame[sounding[0]] = before[sounding[0]]


def _stand_on(frame: NDArray[Any], logits: NDArray[np.float32], bass: Sequence[int]) -> None:
    """Make the lowest note of a frame one of `bass`, in place.

    Those below the lowest of these are left out. Without one the most likely is added, below all
    others if it can be.
    """
    pitch = np.arange(len(frame))
    basses = np.isin(pitch, bass) & np.isfinite(logits)
    if not (frame[basses] > 0).any():
        below = basses & (pitch < int(np.flatnonzero(frame)[0]))
        choices = below if below.any() else basses
        if not choices.any():
            return
        frame[int(np.where(choices, logits, -np.inf).argmax())] = 1
    frame[: int(np.flatnonzero((frame > 0) & basses)[0])] = 0


def _leave(
    frame: NDArray[Any], logits: NDArray[np.float32], among: NDArray[np.bool_], most: float
) -> None:
    """Take the least likely of the notes `among` away until there are `most`, in place."""
    found = np.flatnonzero(among)
    if len(found) > most:
        order = found[np.argsort(logits[found])]
        frame[order[: len(found) - max(int(most), 0)]] = 0
