"""A bar that varies a theme keeps at least half as many notes as the theme has there.

Where a passage departs from the theme, the model may go on to the next bar, or to the end of this
one, after a few notes. Such a position is not written: the theme is followed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import PITCH, Frames, Parser, Tokenizer
from musictk.tokens.checked import allowed_by


@dataclass(frozen=True, eq=False)
class NoteCounts:
    """What tokens do to notes."""

    begun: NDArray[np.int64]  # (V,) how many notes each begins
    moves: NDArray[np.bool_]  # (V,) whether it only leads to another time

    @staticmethod
    @lru_cache(maxsize=1)
    def of(tokenizer: Tokenizer) -> NoteCounts | None:
        """None for frames, and where tokens do not state pitches.

        Where the grammar does not say when notes begin, no token leads to another time.
        """
        pitch = tokenizer.attributes().get(PITCH)
        if pitch is None or isinstance(tokenizer.space, Frames):
            return None
        begun = pitch.states.sum(axis=1).astype(np.int64)
        return NoteCounts(begun, _moves(tokenizer, len(begun)) & (begun == 0))


def _moves(tokenizer: Tokenizer, size: int) -> NDArray[np.bool_]:
    """(V,) the tokens after which the next note begins at another time than before them.

    Tried at the beginning of a bar, and at a later time: a token may lead to the beginning.
    """
    grammar = tokenizer.grammar()
    found: NDArray[np.bool_] = np.zeros(size, bool)
    if grammar is None:
        return found
    parser = grammar.parser()
    parser.advance(int(allowed_by(parser, tokenizer).argmax()))
    found |= _moves_from(parser, size)
    if found.any():
        parser.advance(int(found.argmax()))
        found |= _moves_from(parser, size)
    return found


def _moves_from(parser: Parser, size: int) -> NDArray[np.bool_]:
    """(V,) those that do so in one state."""
    here, found = parser.texture(), np.zeros(size, bool)
    for token in range(size if here is not None else 0):
        after = parser.fork()
        after.advance(token)
        there = after.texture()
        found[token] = here is not None and there is not None and there.time != here.time
    return found


class TokenFloor:
    """Counts the notes of a bar of tokens."""

    def __init__(self, counts: NoteCounts, theme: NDArray[np.int64]) -> None:
        """`theme` is the theme's bar, without the token after it."""
        self._counts = counts
        self.missing = (int(counts.begun[theme].sum()) + 1) // 2  # notes; less than 1: none

    def advance(self, token: int) -> None:
        """Count the notes of a token that was written."""
        self.missing -= int(self._counts.begun[token])

    def reached_by(self, token: int, rest: NDArray[np.int64], parser: Parser | None) -> bool:
        """Whether there are enough notes if `rest` of the theme is followed after `token`.

        `parser` is the state after the token. What the grammar rejects is left out; with a time
        that has passed, the notes at this time.
        """
        missing = self.missing - int(self._counts.begun[token])
        notes = self._counts.begun[rest]
        if missing <= 0 or missing > int(notes.sum()) or parser is None:
            return missing <= int(notes.sum())
        parser, passed = parser.fork(), False
        moves = self._counts.moves[rest].tolist()
        for follows, begun, moved in zip(rest.tolist(), notes.tolist(), moves, strict=True):
            fits = not (begun and passed) and bool(parser.allowed()[follows])
            if moved:
                passed = not fits
            if fits:
                parser.advance(follows)
                missing -= begun
            if missing <= 0:
                return True
        return False


class FrameFloor:
    """Counts the notes of a bar of frames, where a pitch begins that was off before."""

    def __init__(self, before: NDArray[np.uint8], theme: NDArray[np.uint8]) -> None:
        """`before` is the last frame before the bar, `theme` the theme's bar."""
        self._last = before
        self.missing = (count_onsets(before, theme) + 1) // 2

    def advance(self, frame: NDArray[np.uint8]) -> None:
        """Count the notes of a frame that was written."""
        self.missing -= count_onsets(self._last, frame[None])
        self._last = frame.copy()

    def reached_by(self, frame: NDArray[np.uint8], rest: NDArray[np.uint8], parser: Any) -> bool:
        """Whether there are enough notes if `rest` of the theme is followed after `frame`."""
        if self.missing <= 0:
            return True
        return count_onsets(self._last, np.concatenate([frame[None], rest])) >= self.missing


def count_onsets(before: NDArray[Any], frames: NDArray[Any]) -> int:
    """The notes that begin in `frames` (T, W), where a pitch is on that was off before.

    `before` (W,) is the frame before the first of them.
    """
    earlier = np.concatenate([before[None], frames[:-1]])
    return int(((frames != 0) & (earlier == 0)).sum())
