"""Metre and tempo."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids
from musictk.controls.features import scale_features
from musictk.errors import UnknownNameError, UsageError
from musictk.music import DEFAULT_TEMPO
from musictk.tokens import METRE, TEMPO, Attribute, Tokenizer

_METRES = ("2/4", "3/4", "4/4", "5/4", "6/4", "3/8", "6/8", "9/8", "12/8", "2/2", "3/2", "4/2")


class Metre(Control):
    """The metre of a bar. Enforced: the bar gets no other."""

    name = "metre"
    values = _METRES
    help = "Metre, such as 3/4."

    def measure(self, bars: Bars) -> Ids:
        found = bars.metres
        section = np.searchsorted(found.start, bars.lines[:-1], "right") - 1
        known = {value: index for index, value in enumerate(self.values, 1)}
        names = zip(found.numerator.tolist(), found.denominator.tolist(), strict=True)
        ids = np.array([known.get(f"{over}/{under}", 0) for over, under in names], np.uint8)
        return ids[section][:, None]

    def applies(self, tokenizer: Tokenizer) -> bool:
        metre = tokenizer.attributes().get(METRE)
        return metre is not None and len(metre.values) > 1

    def allowed(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        attribute, value = tokenizer.attributes()[METRE], self.values[int(ids[0]) - 1]
        if value not in attribute.values:
            raise UnknownNameError(self.name, value, set(self.values) & set(attribute.values))
        return attribute.within([attribute.values.index(value)])

    def complete(self, ids: Ids, given: int) -> Ids:
        """A first bar that is shorter than the second is a pickup, which tokenizers fill up."""
        if len(ids) < 2 or given > 1 or not ids[1, 0]:
            return ids
        ids = ids.copy()
        if not ids[0, 0] and not given:
            ids[0] = ids[1]
        first, second = (self.values[each - 1] if each else "" for each in ids[:2, 0].tolist())
        if first and Fraction(first) < Fraction(second):
            raise UsageError(
                f"the first bar, in {first}, cannot be shorter than the second, in {second}",
                "it would be a pickup; give both bars one metre",
            )
        return ids


class Tempo(Control):
    """The tempo at the beginning of a bar, in steps of a twelfth of an octave (6 %).

    Enforced: the tempo of the vocabulary that is nearest to the user's.
    """

    name = "tempo"
    values = tuple(f"{30 * 2 ** (step / 12):.0f}" for step in range(37))  # 30 to 240
    help = "Tempo in quarter notes per minute, from 30 to 240."

    def measure(self, bars: Bars) -> Ids:
        tempos = bars.score.tempos.numpy()
        order = np.argsort(tempos["time"], kind="stable")
        start = tempos["time"][order].astype(np.int64)
        mspq = np.append(DEFAULT_TEMPO, np.maximum(tempos["mspq"][order], 1))
        return _tempo_id(6e7 / mspq[np.searchsorted(start, bars.lines[:-1], "right")])[:, None]

    def features(self) -> NDArray[np.float32]:
        return scale_features(len(self.values), 4)

    def applies(self, tokenizer: Tokenizer) -> bool:
        return TEMPO in tokenizer.attributes()

    def parse(self, text: str) -> Ids:
        try:
            qpm = float(text)
        except ValueError:
            qpm = 0.0
        if not 30 <= qpm <= 240:
            raise UsageError(
                f"tempo={text.strip()} is not a tempo", "write 30 to 240 quarter notes per minute"
            )
        return _tempo_id(np.array([qpm]))

    def allowed(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        attribute = tokenizer.attributes()[TEMPO]
        away = _steps_away(_tempos(attribute), ids)
        return attribute.within(np.flatnonzero(away == away.min()).tolist())

    def nearest(self, tokenizer: Tokenizer, text: str) -> str:
        attribute = tokenizer.attributes()[TEMPO]
        qpm = _tempos(attribute)
        away, ratio = _steps_away(qpm, self.parse(text)), np.abs(np.log(qpm / float(text)))
        return attribute.values[int(np.lexsort((ratio, away))[0])]


def _tempos(attribute: Attribute) -> NDArray[np.float64]:
    """The tempos of a vocabulary, in quarter notes per minute."""
    return np.array([float(value) for value in attribute.values])


def _steps_away(qpm: NDArray[np.float64], ids: Ids) -> NDArray[np.int64]:
    """How many steps tempos are from that of the ids (1,)."""
    return np.abs(_tempo_id(qpm).astype(np.int64) - int(ids[0]))


def _tempo_id(qpm: NDArray[np.float64]) -> Ids:
    step = np.rint(12 * np.log2(np.maximum(qpm, 1) / 30))
    return (np.clip(step, 0, len(Tempo.values) - 1) + 1).astype(np.uint8)
