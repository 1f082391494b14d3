"""Check the law of `attributes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.music import notes
from musictk.tokens import Frames, Piece, Tokenizer
from musictk.tokens.attributes import (
    METRE,
    MIDI_PITCHES,
    PITCH,
    PROGRAM,
    RELEASE,
    TEMPO,
    Attribute,
)

KNOWN = (METRE, PITCH, PROGRAM, RELEASE, TEMPO)


def check_attributes(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Attributes are known ones of every token, and pitches are those of the decoded notes."""
    attributes, space = tokenizer.attributes(), tokenizer.space
    assert isinstance(attributes, Mapping), "attributes() does not return a mapping"
    count = space.width if isinstance(space, Frames) else space.size
    for name, attribute in attributes.items():
        assert name in KNOWN, f"the attribute {name!r} is none of {', '.join(KNOWN)}"
        _check_attribute(name, attribute, count)
    if PITCH in attributes:
        for piece in pieces:
            _check_pitches(tokenizer, attributes[PITCH], tokenizer.encode(piece))


def _check_attribute(name: str, attribute: Attribute, count: int) -> None:
    what = f"the attribute {name!r}"
    assert isinstance(attribute, Attribute), f"{what} is not an Attribute"
    values, states = attribute.values, attribute.states
    assert isinstance(states, np.ndarray), f"the states of {what} are not an array"
    assert states.dtype == np.bool_, f"the states of {what} are {states.dtype} and not bool"
    shape = (count, len(values))
    assert states.shape == shape, f"the states of {what} are {states.shape} and not {shape}"
    assert all(isinstance(each, str) for each in values), f"a value of {what} is not a string"
    assert len(set(values)) == len(values), f"two values of {what} have the same name"
    if name in (PITCH, RELEASE):
        assert tuple(values) == MIDI_PITCHES, f"the values of {what} are not MIDI_PITCHES"


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
