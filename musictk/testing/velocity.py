"""Check the law of `shift_velocity`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from musictk.testing.comparing import encoded, facts
from musictk.tokens import Piece, Tokenizer


def check_velocity(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Shifting velocities keeps the length, and changes nothing else of the decoded music."""
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        before = sequence.copy()
        expected = _without_velocity(tokenizer.decode(sequence))
        for steps in (-20, 9):
            moved = tokenizer.shift_velocity(sequence, steps)
            assert np.array_equal(sequence, before), "shift_velocity wrote into its input"
            assert moved.shape == sequence.shape, "shift_velocity changed the length"
            found = _without_velocity(tokenizer.decode(moved))
            assert found == expected, f"shift_velocity by {steps} changed more than velocities"


def _without_velocity(piece: Piece) -> tuple[Any, ...]:
    """The facts of a piece, with notes in an order that does not depend on their velocities."""
    if isinstance(piece, str):
        return (piece,)
    notes, *others = facts(piece)
    return sorted(note[:-1] for note in notes if not isinstance(note, str)), *others
