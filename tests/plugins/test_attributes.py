"""What tokens state: the attributes that limits are built on."""

from __future__ import annotations

import numpy as np

from musictk.instruments import DRUM_KIT, find_programs
from musictk.tokens import PROGRAM, RELEASE, TEMPO
from musictk_events.tokenizer import Events, EventsConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi


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
