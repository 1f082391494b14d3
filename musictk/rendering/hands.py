"""Divide new notes among the parts of a file, a chord at a time, as the hands of a player do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SPAN = 16  # semitones between the outer notes of a chord that one hand reaches: a tenth
_TOO_WIDE = 1000.0  # the distance that each semitone above `SPAN` counts as: only if unavoidable
_MOVES = 0.15  # how far a register moves towards each new chord of its part


def divide(start: Ints, pitch: Ints, registers: Sequence[float]) -> Ints:
    """(N,) the part of each note, as an index of `registers`, by its onset and pitch, (N,) each.

    `registers` are the pitches around which the parts play. The notes of a chord are divided in
    order of pitch, with the lowest to the parts of the lowest registers: so that no part has more
    than `SPAN` semitones if possible, and each is near its register, which moves with its notes.
    """
    parts = np.argsort(registers, kind="stable")
    now = np.asarray(registers, float)[parts]
    found = np.zeros(len(pitch), np.int64)
    for onset in np.unique(start):
        places = np.flatnonzero(start == onset)
        places = places[np.argsort(pitch[places], kind="stable")]
        chord = pitch[places]
        chosen = np.array(_divided(chord, now))
        found[places] = parts[chosen]
        for part in np.unique(chosen):
            now[part] += _MOVES * (chord[chosen == part].mean() - now[part])
    return found


def replace(start: Ints, pitch: Ints, old_start: Ints, old_pitch: Ints, old_part: Ints) -> Ints:
    """(N,) the part of the note that each new one replaces; of the old notes, (M,) each, M > 0.

    The onsets are those of the old notes on the grid of a model: each old note belongs to the
    nearest. In a chord the notes correspond in order of pitch; a pitch that two parts play is one
    note of the model.
    """
    onsets, place = np.unique(start, return_inverse=True)
    nearest = np.abs(old_start[:, None] - onsets).argmin(axis=1)
    found = np.zeros(len(pitch), np.int64)
    for index, onset in enumerate(onsets):
        new = np.flatnonzero(place == index)
        old = np.flatnonzero(nearest == index)
        if not len(old):  # halfway between two points of the grid
            old = np.abs(old_start - onset).argmin(keepdims=True)
        _, first = np.unique(old_pitch[old], return_index=True)
        parts = old_part[old[first]]
        order = np.argsort(pitch[new], kind="stable")
        found[new[order]] = parts[np.arange(len(new)) * len(parts) // len(new)]
    return found


def repeat(
    start: Ints, pitch: Ints, old_start: Ints, old_pitch: Ints, old_part: Ints, *, reach: int
) -> Ints:
    """(N,) the part of the old note, of (M,), that each new one repeats; -1 where there is none.

    It is the nearest of its pitch that begins at most `reach` away.
    """
    found = np.full(len(pitch), -1, np.int64)
    for one in np.unique(pitch):
        new, old = np.flatnonzero(pitch == one), np.flatnonzero(old_pitch == one)
        if not len(old):
            continue
        away = np.abs(old_start[old] - start[new, None])
        nearest = away.argmin(axis=1)
        near = away.min(axis=1) <= reach
        found[new[near]] = old_part[old[nearest[near]]]
    return found


def _divided(chord: Ints, registers: NDArray[np.float64]) -> tuple[int, ...]:
    """The register of each note of a chord; both ascend, and so do the registers of the notes.

    By dynamic programming over the registers: of the first notes, the best way for each number.
    """
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for part, register in enumerate(registers.tolist()):
        best = {
            stop: min(
                (far + _distance(chord[first:stop], register), (*chosen, *[part] * (stop - first)))
                for first, (far, chosen) in best.items()
                if first <= stop
            )
            for stop in range(len(chord) + 1)
        }
    return best[len(chord)][1]


def _distance(notes: Ints, register: float) -> float:
    """How far notes, which ascend, are from a register and from what a hand reaches."""
    if not len(notes):
        return 0.0
    beyond = max(int(notes[-1] - notes[0]) - SPAN, 0)
    return float(np.abs(notes - register).sum()) + _TOO_WIDE * beyond
