"""The range of pitch around a bar."""

from __future__ import annotations

import re

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids
from musictk.controls.features import scale_features
from musictk.errors import UsageError
from musictk.keys import PITCH_CLASSES, pitch_class
from musictk.tokens import PITCH, Tokenizer

_PITCH = re.compile(r"([A-G][#♯b♭]*)(-?\d+)")


_NEAR = 4  # bars before and after that count: so a constant limit is not reached in every bar


class _Extreme(Control):
    """The lowest or the highest pitch from four bars before to four after. Enforced as a limit."""

    values = tuple(f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}" for pitch in range(128))
    _below: bool  # whether pitches below the limit are allowed

    def measure(self, bars: Bars) -> Ids:
        found = np.full(len(bars), -1 if self._below else 128)
        extreme = np.maximum if self._below else np.minimum
        extreme.at(found, bars.bar_of(bars.pitched.start), bars.pitched.pitch)
        around = np.pad(found, _NEAR, constant_values=-1 if self._below else 128)
        found = extreme.reduce(sliding_window_view(around, 2 * _NEAR + 1), axis=1)
        return np.where((found >= 0) & (found < 128), found + 1, 0).astype(np.uint8)[:, None]

    def features(self) -> NDArray[np.float32]:
        return scale_features(len(self.values), 6)

    def applies(self, tokenizer: Tokenizer) -> bool:
        return PITCH in tokenizer.attributes()

    def transpose(self, ids: Ids, semitones: int) -> Ids:
        moved = ids.astype(np.int64) + semitones
        known = (ids > 0) & (moved > 0) & (moved <= len(self.values))
        return np.where(known, moved, 0).astype(np.uint8)

    def parse(self, text: str) -> Ids:
        """A name such as C4 (middle C) or a MIDI number."""
        text = text.strip()
        found = _PITCH.fullmatch(text[:1].upper() + text[1:])
        if text.isdecimal():
            pitch = int(text)
        elif found is not None and (step := pitch_class(found[1])) is not None:
            letter = int(pitch_class(found[1][0]) or 0)  # Cb4 is B3: accidentals change no octave
            pitch = letter + (step - letter + 6) % 12 - 6 + 12 * (int(found[2]) + 1)
        else:
            pitch = -1
        if not 0 <= pitch < len(self.values):
            raise UsageError(
                f"{self.name}={text!r} is not a pitch", "write C-1 to G9, or 0 to 127: C4 is 60"
            )
        return np.array([pitch + 1], np.uint8)

    def allowed(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        limit = int(ids[0]) - 1
        pitches = range(limit + 1) if self._below else range(limit, 128)
        return tokenizer.attributes()[PITCH].within(pitches)


class Lowest(_Extreme):
    """The lowest pitch around a bar."""

    name = "lowest"
    help = "Lowest pitch, such as C3 or 48."
    _below = False


class Highest(_Extreme):
    """The highest pitch around a bar."""

    name = "highest"
    help = "Highest pitch, such as C6 or 84."
    _below = True
