"""Tables of a REMI vocabulary that its parsers use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.metrics import Metre
from musictk_remi.vocabulary import Vocabulary

_KINDS = ("Bar", "TimeSig", "Rest", "Position", "Tempo", "Program")
_NOTE = ("Pitch", "PitchDrum", "Velocity", "Duration")


class Tables:
    """What all parsers of a vocabulary share."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        config = vocabulary.config
        self.size, self.eos = len(vocabulary.names), vocabulary.space.eos
        self.spans = {kind: vocabulary.span(kind) for kind in (*_KINDS, *_NOTE)}
        self.kinds = vocabulary.kinds
        self.metres = config.known_metres
        self.tempos, self.rests = config.tempos, config.rests
        self.programs, self.time_signatures = config.programs, config.time_signatures
        self.per_beat = config.positions_per_beat
        self.quarter = vocabulary.ticks_per_quarter
        self.lowest = config.pitch_range[0]
        beats = {metre[1]: vocabulary.ticks_per_beat(metre[1]) for metre in self.metres}
        self.beats = beats
        self.durations = {under: vocabulary.ticks("Duration", under) for under in beats}
        self.rest_ticks = {under: vocabulary.ticks("Rest", under) for under in beats}
        self.masks = {kind: self._mask(span) for kind, span in self.spans.items()}
        self.bar_ticks = {metre: beats[metre[1]] * metre[0] for metre in self.metres}
        self.second = {metre: self._not_longer(metre) for metre in self.metres}

    def pitches(self, program: int) -> slice:
        """The pitch tokens that a program's token may precede."""
        drums = self.programs and program == self.spans["Program"].stop - 1
        return self.spans["PitchDrum" if drums else "Pitch"]

    def key(self, program: int, pitch: int) -> int:
        """Ascends as the notes of a group do; from two ids."""
        return program * self.size + pitch

    def _not_longer(self, metre: Metre) -> NDArray[np.bool_]:
        """The metres of bars that may follow one of `metre` at the beginning."""
        mask = np.zeros(self.size, bool)
        if self.time_signatures:
            longest = self.bar_ticks[metre]
            mask[self.spans["TimeSig"]] = [self.bar_ticks[each] <= longest for each in self.metres]
        mask.setflags(write=False)
        return mask

    def _mask(self, span: slice) -> NDArray[np.bool_]:
        mask = np.zeros(self.size, bool)
        mask[span] = True
        mask.setflags(write=False)
        return mask
