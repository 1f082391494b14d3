"""What tokens state: the attributes that limits are built on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from musictk.errors import UsageError
from musictk.instruments import DRUM_KIT, find_programs
from musictk.testing.tokenizers import check_attributes
from musictk.tokens import PITCH, PROGRAM, RELEASE, TEMPO, Tokenizer
from musictk.tokens.attributes import Attribute
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

from .scores import pieces


def test_programs_are_those_of_program_tokens() -> None:
    made = Remi(RemiConfig(programs=True))
    attribute = made.attributes()[PROGRAM]
    names = [made.names()[token] for token in np.flatnonzero(attribute.stated).tolist()]
    assert attribute.values == (*map(str, range(128)), "drums")
    assert names == [f"Program_{program}" for program in (*range(128), -1)]
    assert PROGRAM not in Remi(RemiConfig()).attributes()
    assert TEMPO in made.attributes()


def test_releases_are_the_pitches_of_note_offs() -> None:
    made = Events(EventsConfig())
    attribute = made.attributes()[RELEASE]
    token = made.names().index("NoteOff_60")
    assert attribute.single()[token] == 60
    assert int(attribute.stated.sum()) == 88


def test_instruments_have_names_families_and_numbers() -> None:
    assert find_programs("violin, Acoustic Bass, 73") == {40, 32, 73}
    assert find_programs("drums") == {DRUM_KIT}
    assert find_programs("brass") == set(range(56, 64))
    assert find_programs("sax") == {64, 65, 66, 67}
    assert find_programs("") == set()
    assert find_programs("electric guitar, Synth Bass") == {26, 27, 28, 38, 39}
    assert find_programs("bass") == set(range(32, 40))  # a family, and not "Lead 8 (bass + lead)"


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("horn", "French Horn, English Horn"),
        (
            "Acoustic",
            "Acoustic Grand Piano, Bright Acoustic Piano, Acoustic Guitar (nylon), Acoustic Guitar"
            " (steel), Acoustic Bass",
        ),
    ],
)
def test_words_of_several_families_are_an_error_that_lists_their_instruments(
    text: str, choices: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_programs(f"violin, {text}")
    assert caught.value.message == f"{text!r} means instruments of several families"
    assert caught.value.hint == f"choose from: {choices}"


@pytest.mark.parametrize(
    "tokenizer",
    [Remi(RemiConfig(programs=True)), Events(EventsConfig()), PianoRoll(PianoRollConfig())],
    ids=["remi", "events", "pianoroll"],
)
def test_the_built_in_tokenizers_keep_the_law(tokenizer: Tokenizer) -> None:
    assert PITCH in tokenizer.attributes()
    check_attributes(tokenizer, pieces()[:3])


def altered(states: Any = None, values: Any = None) -> Mapping[str, Any]:
    """The pitches of events, with other states or values."""
    own = Events(EventsConfig()).attributes()[PITCH]
    changed = own.states if states is None else states(own.states)
    return {PITCH: Attribute(own.values if values is None else values, changed)}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([], "attributes() does not return a mapping"),
        ({"pitches": None}, "the attribute 'pitches' is none of metre, pitch,"),
        ({PITCH: np.zeros(3)}, "the attribute 'pitch' is not an Attribute"),
        (altered(lambda old: old.astype(int)), "are int64 and not bool"),
        (altered(lambda old: old[1:]), "the states of the attribute 'pitch' are"),
        (altered(values=("C",) * 128), "two values of the attribute 'pitch' have the same name"),
        (altered(values=tuple("c" * i for i in range(128))), "are not MIDI_PITCHES"),
        (altered(lambda old: np.roll(old, 1, 1)), "tokens have the pitches ["),
        (altered(lambda old: old & False), "tokens have the pitches [], which"),
    ],
)
def test_the_law_of_attributes_names_what_is_wrong(attributes: Any, message: str) -> None:
    kind = type("Odd", (Events,), {"attributes": lambda self: attributes})
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_attributes(kind(EventsConfig()), pieces()[:2])
