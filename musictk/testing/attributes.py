"""Check the law of `attributes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.music import notes
from musictk.testing.comparing import encoded, space_of
from musictk.tokens import Frames, Piece, Tokenizer
from musictk.tokens.attributes import (
    METRE,
    PITCH,
    PROGRAM,
    RELEASE,
    TEMPO,
    Attribute,
    attributes_fault,
)

KNOWN = (METRE, PITCH, PROGRAM, RELEASE, TEMPO)


def check_attributes(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Attributes are known ones of every token, and pitches are those of the decoded notes."""
    space = space_of(tokenizer)
    attributes: Any = tokenizer.attributes()
    for name in attributes if isinstance(attributes, Mapping) else ():
        assert name in KNOWN, f"the attribute {name!r} is none of {', '.join(KNOWN)}"
    fault = attributes_fault(attributes, space.classes)
    assert not fault, fault
    if PITCH in attributes:
        for piece in pieces:
            _check_pitches(tokenizer, attributes[PITCH], encoded(tokenizer, piece))


def _check_pitches(tokenizer: Tokenizer, pitch: Attribute, sequence: NDArray[Any]) -> None:
    score = tokenizer.decode(sequence)
    assert not isinstance(score, str), "text has no pitches"
    present = sequence.any(0) if isinstance(tokenizer.space, Frames) else np.unique(sequence)
    found = set(np.flatnonzero(pitch.states[present].any(0)).tolist())
    expected = set(notes(score, drums=False).pitch.tolist())
    assert found == expected, (
        f"tokens have the pitches {sorted(found - expected)}, which no decoded note has,"
        f" and lack {sorted(expected - found)}"
    )
