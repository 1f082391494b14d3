"""A control of a plugin is about thirty lines: the loudness of `examples/`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from musictk.controls import Bars, Control
from musictk.plugin import GROUP, Registry
from musictk.reading import read_midi
from musictk.reading.limits import Limits
from musictk.testing import controls as laws
from tests.generation.pieces import MIDIS, tokenizer

EXAMPLE = Path(__file__).parents[2] / "examples" / "musictk-loudness"


@pytest.fixture
def loudness(monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    found = Registry(
        [*entry_points(group=GROUP), EntryPoint("loudness", "musictk_loudness", GROUP)]
    )
    assert not found.failures
    made: Control = found.load("control", "loudness")()
    return made


@pytest.mark.parametrize("name", ["remi", "events"])
def test_laws(name: str, loudness: Control) -> None:
    scores = [
        read_midi(path.read_bytes(), Limits()).score for path in sorted(MIDIS.rglob("*.mid"))[:3]
    ]
    assert loudness.applies(tokenizer(name))
    laws.check(loudness, tokenizer(name), scores)


def test_frames_have_no_loudness(loudness: Control) -> None:
    assert not loudness.applies(tokenizer("pianoroll"))


def test_a_louder_bar_has_a_louder_value(loudness: Control) -> None:
    path = next(MIDIS.rglob("*.mid"))
    score = read_midi(path.read_bytes(), Limits()).score
    found = []
    for velocity in (20, 60, 120):
        music = score.copy()
        for track in music.tracks:
            for note in track.notes:
                note.velocity = velocity
        ids = loudness.measure(Bars.of(music, 4))
        found.append({loudness.values[id_ - 1] for id_ in ids[:, 0] if id_})
    assert found == [{"pp"}, {"mp"}, {"ff"}]
