"""A metre that begins after the last given bar: new bars have it, and no other at that tick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import pytest
from mido import MetaMessage
from symusic.core import ScoreTick

from musictk.jobs.sample import repeat_sample

from .conftest import Notices, Studio
from .given_music import QUARTER, add, note

JOIN = 16
Changes = list[tuple[float, int, int]]


def late(path: Path, over: int, under: int) -> Path:
    """Four bars of 4/4, and at their end another metre and half of the tempo."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    head, track = file.add_track(), file.add_track("piano")
    signs = [
        (at, MetaMessage("time_signature", numerator=numerator, denominator=denominator))
        for at, numerator, denominator in ((0, 4, 4), (JOIN, over, under))
    ]
    tempos = [(0, 120), (JOIN, 60)]
    changes = [(at, MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in tempos]
    add(head, *signs, *changes)
    add(track, *(event for at in range(JOIN) for event in note(at, 1, (60, 64, 67, 72)[at % 4])))
    file.save(path)
    return path


def metres_of(path: Path) -> Changes:
    """Every time signature of a file."""
    score = ScoreTick(path)
    signs = sorted(score.time_signatures, key=lambda sign: sign.time)
    return [
        (sign.time / score.ticks_per_quarter, sign.numerator, sign.denominator) for sign in signs
    ]


def tempos_of(path: Path) -> list[tuple[float, int]]:
    """Every tempo of a file."""
    score = ScoreTick(path)
    return [(tempo.time / score.ticks_per_quarter, round(tempo.qpm)) for tempo in score.tempos]


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_new_bars_are_in_the_metre_at_the_end_of_a_prompt(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    given = late(tmp_path / "late.mid", 3, 4)
    out, batch = studio.sample(name, prompt=given, bars=2)
    assert metres_of(out) == [(0, 4, 4), (JOIN, 3, 4)]
    assert tempos_of(out) == [(0, 120), (JOIN, 60)]
    end = sum(message.time for message in mido.MidiFile(out).tracks[0])
    assert end == (JOIN + 2 * 3) * QUARTER
    number = batch.made[0].id
    assert number is not None
    repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("form", "expected", "tempos"),
    [
        ("AB", [(0, 4, 4), (JOIN, 3, 4)], [(0, 120), (JOIN, 60)]),
        ("AA", [(0, 4, 4), (JOIN, 4, 4)], [(0, 120), (JOIN, 120)]),
        (
            "ABA",
            [(0, 4, 4), (JOIN, 3, 4), (JOIN + 12, 4, 4)],
            [(0, 120), (JOIN, 60), (JOIN + 12, 120)],
        ),
    ],
)
@pytest.mark.parametrize("name", ["remi", "events"])
def test_only_returns_keep_the_metre_of_a_theme(
    studio: Studio, tmp_path: Path, name: str, form: str, expected: Changes, tempos: Any
) -> None:
    given = late(tmp_path / "late.mid", 3, 4)
    out, _ = studio.sample(name, theme=given, form=form, options={"variation": 0.0})
    assert metres_of(out) == expected
    assert tempos_of(out) == tempos


def test_a_metre_that_is_chosen_goes_before_it(studio: Studio, tmp_path: Path) -> None:
    given = late(tmp_path / "late.mid", 3, 4)
    out, _ = studio.sample("remi", prompt=given, bars=2, options={"metre": "2/4"})
    assert metres_of(out) == [(0, 4, 4), (JOIN, 2, 4)]


def test_a_metre_that_cannot_be_written_is_noticed(studio: Studio, tmp_path: Path) -> None:
    given, heard = late(tmp_path / "late.mid", 11, 16), Notices()
    out, _ = studio.sample("remi", heard, prompt=given, bars=2)
    assert metres_of(out) == [(0, 4, 4), (JOIN, 4, 4)]
    assert any("the prompt changes to 11/16 at its end" in text for text in heard.texts)
