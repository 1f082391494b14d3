"""Limits on silence in a piece."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.generation.progress import FormProgress
from musictk.tokens import Frames, Tokenizer

_BUSY = 24  # a bar of more positions is assumed to have a note, without decoding it


class Silence:
    """Limit for tokens: a section's first bar is not silent, and never two bars in a row."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._bar_before = False  # whether the previous bar was silent

    def in_bar(self, bar: NDArray[Any]) -> bool:
        """Whether a bar has no note."""
        if len(bar) > _BUSY:
            return False
        piece = self._tokenizer.decode(bar)
        return isinstance(piece, ScoreTick) and piece.note_num() == 0

    def too_long(self, progress: FormProgress) -> bool:
        """Whether the bar being written must have a note before the next may begin."""
        return progress.section >= 0 and (progress.bar == 0 or self._bar_before)

    def record_bar(self, silent: bool) -> None:
        """A bar ends."""
        self._bar_before = silent


class FrameSilence:
    """Limit for frames: at most one empty bar, or half a bar at the beginning of a section."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._empty = 0  # frames since one sounded
        self._bar = frames_per_bar(tokenizer)

    def too_long(self, progress: FormProgress, length: int) -> bool:
        """Whether the next frame, after `length` of them, must sound."""
        opening = progress.bar == 0 and self._empty >= length - progress.start
        return self._empty >= (self._bar // 2 if opening else self._bar)

    def advance(self, frame: NDArray[np.uint8]) -> None:
        """Count a frame that was written."""
        self._empty = 0 if frame.any() else self._empty + 1


def frames_per_bar(tokenizer: Tokenizer) -> int:
    """The length of every bar of a tokenizer of frames."""
    assert isinstance(tokenizer.space, Frames)
    starts = tokenizer.bar_starts(np.zeros((1024, tokenizer.space.width), np.uint8))
    return int(starts[1] - starts[0]) if len(starts) > 1 else 1024
