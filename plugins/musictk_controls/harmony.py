"""Key and chords, estimated from the pitch classes that sound."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids
from musictk.errors import UnknownNameError
from musictk.keys import KEYS, PITCH_CLASSES, find_key, nearest_keys, pitch_class, scale
from musictk.tokens import PITCH, Tokenizer

_NEAR = 2  # bars before and after that count for the key of a bar
_QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
}
NO_CHORD = "N"
_NONE = ("N", "NC", "N.C.")
_MINOR, _DIMINISHED, _AUGMENTED = ("m", "mi", "min", "-"), ("dim", "o", "°", "ø"), ("aug", "+")
# A chord symbol without parentheses: root, triad, seventh or another tone, alterations, bass.
_SYMBOL = re.compile(
    r"([A-G][#♯b♭]*)"
    r"((?i:maj|min|mi|dim|aug)|[Mm\-o°øΔ+])?"
    r"((?:maj|M|Δ)?(?:6/9|69|7|9|11|13|6|5|2))?"
    r"((?:(?:add|no|omit|[#♯b♭+-])(?:1[13]|[2-9])|sus[24]?|alt)*)"
    r"(/[A-G][#♯b♭]*)?"
)
_LEAST = 0.65  # share of the sounding time that a chord's tones need


def _has_pitch(tokenizer: Tokenizer) -> bool:
    return PITCH in tokenizer.attributes()


class Key(Control):
    """The key around a bar: of its own music and that of two bars before and after."""

    name = "key"
    values = KEYS
    help = "Key, such as E minor or Eb major."

    def measure(self, bars: Bars) -> Ids:
        total = np.cumsum(np.concatenate([np.zeros((1, 12)), bars.classes()]), axis=0)
        index = np.arange(len(bars))
        stop, start = np.minimum(index + _NEAR + 1, len(bars)), np.maximum(index - _NEAR, 0)
        return (nearest_keys(total[stop] - total[start]) + 1).astype(np.uint8)[:, None]

    def applies(self, tokenizer: Tokenizer) -> bool:
        return _has_pitch(tokenizer)

    def features(self) -> NDArray[np.float32]:
        """Tonic, mode and the tones of the scale."""
        scales = [np.isin(np.arange(12), scale(key)) for key in range(len(KEYS))]
        tonics = np.tile(np.eye(12), (2, 1))
        modes = np.repeat(np.eye(2), 12, axis=0)
        return np.concatenate([tonics, modes, scales], axis=1).astype(np.float32)

    def transpose(self, ids: Ids, semitones: int) -> Ids:
        key = ids.astype(np.int64) - 1
        moved = (key % 12 + semitones) % 12 + 12 * (key // 12) + 1
        return np.where(ids > 0, moved, 0).astype(np.uint8)

    def parse(self, text: str) -> Ids:
        found = find_key(text)
        if found is None:
            raise UnknownNameError(self.name, text.strip(), self.values)
        return np.array([found + 1], np.uint8)

    def allowed_strictly(self, tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_] | None:
        """The pitches of the scale; in minor with both forms of the sixth and seventh."""
        attribute = tokenizer.attributes().get(PITCH)
        if attribute is None:
            return None
        classes = scale(int(ids[0]) - 1)
        return attribute.within([pitch for pitch in range(128) if pitch % 12 in classes])


class Chord(Control):
    """The chord of each half of a bar: a triad, or a dominant seventh.

    The chord whose tones sound longest, with the bass as another vote for its root; none where they
    are under 65 % of what sounds.
    """

    name = "chord"
    values = (*(root + quality for quality in _QUALITIES for root in PITCH_CLASSES), NO_CHORD)
    parts = 2
    help = "Chord, such as Am, F#, G7, Bdim or Caug; N for none."

    def measure(self, bars: Bars) -> Ids:
        weights, bass = bars.classes(self.parts), _bass(bars, self.parts)
        total = weights.sum(axis=1, keepdims=True)
        tones = weights @ _TEMPLATES.T  # (N · parts, chords) time for which tones of each sound
        # A fourth tone must sound long enough to count; the bass votes for chords that have it,
        # most for those on it. The last term decides between equal ones alike in every key.
        votes = tones - total * 0.12 * (_TEMPLATES.sum(axis=1) - 3)
        votes += total * (0.5 * bass @ _TEMPLATES.T + 0.05 * bass @ _IS_ROOT - 1e-6 * bass @ _ABOVE)
        best = votes.argmax(axis=1)
        share = np.take_along_axis(tones, best[:, None], 1) / np.maximum(total, 1e-9)
        found = np.where(share[:, 0] >= _LEAST, best + 1, len(self.values))
        known = (weights > 0).sum(axis=1) > 1  # one pitch is in many chords
        return np.where(known, found, 0).astype(np.uint8).reshape(-1, self.parts)

    def applies(self, tokenizer: Tokenizer) -> bool:
        return _has_pitch(tokenizer)

    def features(self) -> NDArray[np.float32]:
        """Tones, root and quality; "no chord" has a vector to itself."""
        roots = np.tile(np.eye(12), (len(_QUALITIES), 1))
        qualities = np.repeat(np.eye(len(_QUALITIES)), 12, axis=0)
        chords = np.concatenate([_TEMPLATES, roots, qualities], axis=1)
        found = np.zeros((len(self.values), chords.shape[1] + 1), np.float32)
        found[:-1, :-1], found[-1, -1] = chords, 1
        return found

    def transpose(self, ids: Ids, semitones: int) -> Ids:
        chord = ids.astype(np.int64) - 1
        moved = chord // 12 * 12 + (chord % 12 + semitones) % 12 + 1
        return np.where((ids > 0) & (ids < len(self.values)), moved, ids).astype(np.uint8)

    def closing(self, key: int) -> Ids:
        """The tonic chord."""
        return np.full(self.parts, 1 + 12 * (key // 12) + key % 12, np.uint8)

    def roots(self, ids: Ids) -> tuple[int, ...]:
        chords = ids.astype(np.int64) - 1
        return tuple(int(chord) % 12 for chord in chords if 0 <= chord < len(self.values) - 1)

    def parse(self, text: str) -> Ids:
        """One chord for the bar, or one for each half: "Am", "C G"."""
        chords = text.split()
        if len(chords) not in (1, self.parts):
            hint = 'a bar has one chord or two, such as "C G"'
            raise UnknownNameError(self.name, text.strip(), self.values, hint)
        ids = [self._parse(chord)[0] for chord in chords]
        return np.array(ids * (self.parts // len(ids)), np.uint8)

    def simplified(self, text: str) -> str:
        chords = [self._parse(chord) for chord in text.split()]
        if all(exact for _, exact in chords):
            return ""
        return " ".join(self.values[chord - 1] for chord, _ in chords)

    def _parse(self, text: str) -> tuple[int, bool]:
        """The id of a chord symbol, and whether it names no more than that chord."""
        if text.upper() in _NONE:
            return len(self.values), True
        found = _SYMBOL.fullmatch(re.sub("[(),]", "", text))
        root = None if found is None else pitch_class(found[1])
        if found is None or root is None:
            raise UnknownNameError(self.name, text, self.values)
        triad, seventh, altered = (found[part] or "" for part in (2, 3, 4))
        quality = _quality(triad if triad == "M" else triad.lower(), seventh, altered)
        further = seventh.removeprefix("7" if quality == "7" else "") + altered + (found[5] or "")
        exact = not further and triad not in ("ø", "Δ")
        return 1 + 12 * list(_QUALITIES).index(quality) + root, exact


def _quality(triad: str, seventh: str, altered: str) -> str:
    """The quality that is nearest to the parts of a chord symbol: its triad, or that with a minor
    seventh. A suspended chord is one without what it suspends."""
    lower, higher = (re.search(f"[{signs}]5", altered) for signs in ("b♭-", "#♯+"))
    if triad in _DIMINISHED or (triad in _MINOR and lower):
        return "dim"
    if triad in _MINOR:
        return "m"
    if triad in _AUGMENTED or higher:
        return "aug"
    return "7" if not triad and seventh in ("7", "9", "11", "13") else ""


def _bass(bars: Bars, parts: int) -> NDArray[np.float64]:
    """(N · parts, 12) one-hot pitch class of the lowest note that sounds in each part of a bar."""
    note, part, ticks = bars.sounding(parts)
    note, part = note[ticks > 0], part[ticks > 0]
    lowest = np.full(len(bars) * parts, 128)
    np.minimum.at(lowest, part, bars.pitched.pitch[note])
    found = np.zeros((len(lowest), 12))
    sounds = np.flatnonzero(lowest < 128)
    found[sounds, lowest[sounds] % 12] = 1
    return found


_TEMPLATES = np.array(
    [
        np.isin(np.arange(12), [(root + step) % 12 for step in steps])
        for steps in _QUALITIES.values()
        for root in range(12)
    ],
    np.float64,
)
_ROOT = np.arange(len(_TEMPLATES)) % 12
_ABOVE = (_ROOT[None] - np.arange(12)[:, None]) % 12  # (12, chords) semitones from bass to root
_IS_ROOT = _ABOVE == 0
