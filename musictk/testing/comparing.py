"""Compare pieces and sequences: what the laws of tokenizers are checked with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Frames, Piece, Space, Tokenizer, Tokens
from musictk.tokens.faults import encoding_fault, id_fault


def space_of(tokenizer: Tokenizer) -> Space:
    """Its space; raises AssertionError where `__init__` does not set one."""
    space: Any = getattr(tokenizer, "space", None)
    assert isinstance(space, Tokens | Frames), f"space is {space!r}, neither Tokens nor Frames"
    return space


def encoded(tokenizer: Tokenizer, piece: Piece) -> NDArray[Any]:
    """The encoding of a piece; raises AssertionError where it is none of the space."""
    space, sequence = space_of(tokenizer), tokenizer.encode(piece)
    fault = encoding_fault(sequence, space) or id_fault(sequence, space)
    assert not fault, fault
    return sequence


def facts(piece: Piece) -> tuple[list[tuple[Any, ...]] | str, ...]:
    """The content of a piece in comparable form: notes, tempos, metres; or its text."""
    if isinstance(piece, str):
        return (piece,)
    ticks = piece.ticks_per_quarter
    notes = sorted(
        (track.is_drum, track.program, note.time / ticks, note.pitch, note.duration / ticks,
         note.velocity)
        for track in piece.tracks
        for note in track.notes
    )  # fmt: skip
    tempos = [(tempo.time / ticks, round(tempo.qpm, 2)) for tempo in piece.tempos]
    metres = [(m.time / ticks, m.numerator, m.denominator) for m in piece.time_signatures]
    return notes, tempos, metres


def assert_same(found: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    """Raise an AssertionError with the first difference unless both sequences are equal."""
    if np.array_equal(found, expected):
        return
    shared = min(len(found), len(expected))
    unequal = found[:shared] != expected[:shared]
    differing = np.flatnonzero(unequal.reshape(shared, -1).any(axis=1))
    place = int(differing[0]) if len(differing) else shared
    raise AssertionError(
        f"{what} differs at {place} (lengths {len(found)} and {len(expected)}): "
        f"{found[place : place + 5].tolist()} is not {expected[place : place + 5].tolist()}"
    )
