"""Write pieces frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draft import Draft
from musictk.generation.draw import sample_frames
from musictk.generation.keep import KeptFrames
from musictk.generation.request import PieceRequest
from musictk.generation.texture import FrameTexture, is_ensemble, thinned
from musictk.generation.writer import Bools, Drawn, Logits, Writer
from musictk.tokens import Frames, Tokenizer

Frame = NDArray[np.uint8]


class FrameWriter(Writer):
    """Of frames (W,), only bar controls limit the pitches."""

    def __init__(self, tokenizer: Tokenizer, request: PieceRequest) -> None:
        super().__init__(tokenizer, request)
        assert isinstance(tokenizer.space, Frames)
        self._width = tokenizer.space.width
        self._texture = FrameTexture(tokenizer)
        self._ensemble = is_ensemble(tokenizer)

    @property
    def _numbers(self) -> int:
        return self._width

    def _sample(self, logits: Logits, noise: NDArray[np.float64]) -> NDArray[Any]:
        return sample_frames(logits, noise)

    def _allowed(self, draft: Draft) -> Bools | None:
        return draft.limits.of_pitches(draft.bar)

    def _followed(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Frame | None:
        frame = draft.theme_position(None)
        return None if frame is None else self._fit(draft, _within(frame, allowed), drawn.logits)

    def _from_model(self, draft: Draft, drawn: Drawn, allowed: Bools | None) -> Frame:
        if isinstance(draft.kept, KeptFrames):
            return self._kept(draft, draft.kept, drawn)
        frame = self._full(draft, drawn.position, allowed)
        if draft.must_sound:
            frame = frame.copy()
            frame[drawn.logits.argmax()] = 1
        frame = self._fit(draft, frame, drawn.logits)
        if self._ensemble:
            return frame
        return thinned(frame, drawn.logits, draft.limits.most_at_once(draft.bar))

    def _bar_line(self, draft: Draft, drawn: Drawn, theme: Frame, allowed: Bools | None) -> Frame:
        return self._from_model(draft, drawn, allowed)

    def _opening(
        self, draft: Draft, drawn: Drawn, position: Frame, first: Frame, allowed: Bools | None
    ) -> Frame:
        limit = draft.limits.of_pitches(draft.bar)  # of the bar that began
        return self._fit(draft, _within(first, limit), drawn.logits)

    def _is_inserted(self, draft: Draft, position: Frame) -> bool:
        return False  # frames are aligned by time

    def _full(self, draft: Draft, frame: Frame, allowed: Bools | None) -> Frame:
        """The frame, or that of the theme where its bar would get too few notes."""
        follower = draft.memory.follower
        if follower is None or not draft.lacks_notes or draft.begins_bar(frame):
            return frame
        if not follower.thins(frame, None, None):
            return frame
        return _within(follower.back(None, None), allowed)

    def _fit(self, draft: Draft, frame: Frame, logits: Logits) -> Frame:
        """The frame, changed where the bounds on the notes of its bar need it."""
        return self._texture.fit(frame, logits, draft.limits.bounds(draft.bar), draft.sequence)

    def _kept(self, draft: Draft, kept: KeptFrames, drawn: Drawn) -> Frame:
        """A frame with the rhythm that is kept; after its last, the one that was drawn."""
        limit = draft.limits.of_pitches(draft.bar)
        frame = kept.frame(drawn.weighed, draft.noise.take(self._width), limit)
        if kept.limit_ignored:
            draft.limit_ignored()
        drawn_frame: Frame = drawn.position
        return drawn_frame if frame is None else frame


def _within(frame: Frame, pitches: Bools | None) -> Frame:
    """The notes of a frame that have one of the pitches; all if there is no limit."""
    return frame if pitches is None else frame & pitches
