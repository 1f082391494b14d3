"""Pitch classes and the 24 major and minor keys: their names, and how well music fits each."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
# By tonic, major keys first: the index of a key is tonic + 12 · (it is minor).
KEYS = tuple(f"{name} major" for name in _MAJOR) + tuple(f"{name} minor" for name in _MINOR)
# Krumhansl & Kessler (1982), the probe-tone profiles for C major and C minor.
_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
_CENTRED = _PROFILES - _PROFILES.mean(axis=1, keepdims=True)
_CENTRED /= np.linalg.norm(_CENTRED, axis=1, keepdims=True)
_ROTATED = np.stack([np.roll(profile, tonic) for profile in _CENTRED for tonic in range(12)])

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = re.compile(r"([A-Ga-g])([#♯b♭]*)")
_KEY = re.compile(rf"{_NOTE.pattern}\s*(major|maj|minor|min|m|)", re.IGNORECASE)
_IN_WORDS = re.compile(r"[\s-]*(flat|sharp)\b", re.IGNORECASE)
# Semitones above the tonic; of minor keys the harmonic and the melodic scale.
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 9, 10, 11))


def nearest_keys(weights: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.int64]:
    """(N, 12) weights of pitch classes -> (N,) index in KEYS of the key each fits best, or -1.

    The Krumhansl–Schmuckler algorithm (Krumhansl 1990): the key whose profile correlates best. -1
    where all pitch classes weigh the same.
    """
    fits = key_fits(weights)
    return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)


def key_fits(weights: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
    """(N, 12) weights of pitch classes -> (N, 24) their correlation with each key's profile.

    0 where all pitch classes weigh the same.
    """
    centred = weights - weights.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred @ _ROTATED.T / np.where(lengths > 0, lengths, 1), np.float64)


def keys_of_signature(sharps: int) -> tuple[int, int]:
    """The major and the minor key of a signature with so many sharps; flats are below 0."""
    tonic = 7 * sharps % 12
    return tonic, (tonic + 9) % 12 + 12


def pitch_class(name: str) -> int | None:
    """The pitch class 0 … 11 of a note name such as "F#" or "Bb"; None if it is none."""
    found = _NOTE.fullmatch(name)
    return None if found is None else _class(*found.groups())


def find_key(name: str) -> int | None:
    """The index in KEYS of a key such as "E minor", "Em", "Eb" or "E flat"; None if it is none."""
    signs = _IN_WORDS.sub(lambda word: "b" if word[1].lower() == "flat" else "#", name.strip())
    found = _KEY.fullmatch(signs)
    if found is None:
        return None
    letter, accidentals, mode = found.groups()
    minor = mode == "m" or mode.lower().startswith("min")
    return _class(letter, accidentals) + 12 * minor


def tonic_chord(key: int) -> tuple[int, int, int]:
    """The pitch classes of a key's tonic chord."""
    tonic = key % 12
    return tonic, (tonic + (3 if key >= 12 else 4)) % 12, (tonic + 7) % 12


def scale(key: int) -> tuple[int, ...]:
    """The pitch classes of a key's scale; in minor with both forms of the sixth and seventh."""
    return tuple(sorted((key + step) % 12 for step in _SCALES[key // 12]))


def _class(letter: str, accidentals: str) -> int:
    sharps = sum(1 if sign in "#♯" else -1 for sign in accidentals)
    return (_STEPS[letter.upper()] + sharps) % 12
