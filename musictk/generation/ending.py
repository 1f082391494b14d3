"""The last bar of a piece: the tonic is in its bass."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.controls import Bars
from musictk.generation.bar_plan import BarPlan
from musictk.keys import find_key, nearest_keys
from musictk.tokens import PITCH, Tokenizer


class Ending:
    """The key in which a piece ends, as soon as its last bar begins.

    It is the one that the user chose for the last bar, else that of the music before it.
    """

    def __init__(self, tokenizer: Tokenizer, plan: BarPlan, wanted: bool) -> None:
        pitched = PITCH in tokenizer.attributes()
        self.bar = plan.end - 1 if wanted and pitched and plan.end is not None else None
        self.key: int | None = None  # an index in KEYS
        self._tokenizer, self._plan = tokenizer, plan

    def begin_bar(self, bar: int, sequence: NDArray[Any]) -> None:
        """A bar begins after `sequence`."""
        if bar != self.bar:
            return
        chosen = self._plan.value("key", bar)
        if chosen is not None:
            self.key = find_key(chosen)
            return
        music = self._tokenizer.decode(sequence)
        if isinstance(music, ScoreTick):
            classes = Bars.of(music, len(self._tokenizer.bar_starts(sequence))).classes()
            found = int(nearest_keys(classes.sum(axis=0, keepdims=True))[0])
            self.key = found if found >= 0 else None
