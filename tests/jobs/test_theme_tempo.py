"""A theme that changes its tempo returns with its tempos."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest
from mido import MetaMessage
from symusic.core import ScoreTick

from musictk.jobs.sample import repeat_sample

from .conftest import Studio
from .given_music import QUARTER, add, note

TOKENIZERS = ("remi", "events", "pianoroll")
JOIN = 16
SLOWER = ((0, 120), (8, 60))
RITARDANDO = ((0, 140), (14, 90), (15, 40))

Tempos = list[tuple[float, int]]


def theme(path: Path, tempos: tuple[tuple[float, float], ...]) -> Path:
    """Four bars of 4/4 with a tempo at each quarter note that is given."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    head, track = file.add_track(), file.add_track("piano")
    changes = [(at, MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in tempos]
    add(head, *changes)
    notes = [event for at in range(JOIN) for event in note(at, 1, (60, 64, 67, 72)[at % 4])]
    add(track, *notes)
    file.save(path)
    return path


def tempos_of(path: Path) -> Tempos:
    """The tempos of a file that change it: quarter note, bpm."""
    score, found = ScoreTick(path), list[tuple[float, int]]()
    for tempo in sorted(score.tempos, key=lambda tempo: tempo.time):
        bpm = round(tempo.qpm)
        if not found or found[-1][1] != bpm:
            found.append((tempo.time / score.ticks_per_quarter, bpm))
    return found


@pytest.mark.parametrize("variation", [0.0, 0.6])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_theme_returns_in_its_tempos(
    studio: Studio, tmp_path: Path, name: str, variation: float
) -> None:
    """Also those of a model that writes no tempo."""
    given = theme(tmp_path / "slower.mid", SLOWER)
    asked = {"theme": given, "options": {"variation": variation}}
    out, batch = studio.sample(name, form="AA", **asked)
    expected = [*SLOWER, (JOIN, 120), (JOIN + 8, 60)]
    assert tempos_of(out) == expected
    number = batch.made[0].id
    assert number is not None
    repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()
    out, _ = studio.sample(name, form="ABA", **asked)
    assert tempos_of(out) == [*SLOWER, (2 * JOIN, 120), (2 * JOIN + 8, 60)]
    out, _ = studio.sample(name, form="AAB", new_only=True, **asked)
    assert tempos_of(out) == [*SLOWER]


def test_the_sections_after_a_return_are_in_the_usual_tempo(studio: Studio, tmp_path: Path) -> None:
    """As those after the theme are, which do not go on in its ritardando."""
    given = theme(tmp_path / "ritardando.mid", RITARDANDO)
    out, _ = studio.sample("remi", theme=given, form="ABAC", options={"variation": 0.0})
    expected = [*RITARDANDO]
    expected += [(JOIN, 140), *((2 * JOIN + at, bpm) for at, bpm in RITARDANDO[1:])]
    assert tempos_of(out) == [*expected, (3 * JOIN, 140)]


@pytest.mark.parametrize("name", ["remi", "pianoroll"])
def test_tempos_between_the_ticks_of_a_model_return_near_them(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    """To the tempos of the file, not to the nearest ones of the vocabulary."""
    given = theme(tmp_path / "own.mid", ((0, 117), (4.5, 83)))
    out, _ = studio.sample(name, theme=given, form="AA", options={"variation": 0.0})
    assert tempos_of(out) == [(0, 117), (4.5, 83), (JOIN, 117), (JOIN + 4.5, 83)]


def test_a_tempo_that_does_not_change_is_stated_once(studio: Studio, tmp_path: Path) -> None:
    given = theme(tmp_path / "steady.mid", ((0, 117),))
    out, _ = studio.sample("remi", theme=given, form="ABA")
    assert [tempo.time for tempo in ScoreTick(out).tempos] == [0]
