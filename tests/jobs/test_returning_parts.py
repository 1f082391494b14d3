"""A theme returns on the tracks that played it."""

from __future__ import annotations

from pathlib import Path

import pytest
from mido import Message, MidiFile
from symusic.core import ScoreTick

from .conftest import Studio
from .given_music import QUARTER, add, note

BAR = 4 * QUARTER
HIGH = (72, 48, 60, 79, 55, 64, 84, 50)  # of the flute, beside (and below) the strings
LOW = (57, 67, 52, 62, 74, 43, 59, 70)

Struck = set[tuple[int, int]]


def crossing(path: Path, programs: tuple[int, int]) -> Path:
    """Two bars in which two tracks cross: an instrument and a channel each."""
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    for channel, (program, pitches) in enumerate(zip(programs, (HIGH, LOW), strict=True)):
        events = [(0.0, Message("program_change", channel=channel, program=program))]
        for beat, pitch in enumerate(pitches):
            events += note(beat, 0.9, pitch, channel)
        add(file.add_track(f"part {channel}"), *events)
    file.save(path)
    return path


def struck(path: Path, start: int, stop: int) -> list[Struck]:
    """(ticks since `start`, pitch) of each track's notes between two ticks."""
    return [
        {(each.time - start, each.pitch) for each in track.notes if start <= each.time < stop}
        for track in ScoreTick(path).tracks
    ]


@pytest.mark.parametrize("programs", [(73, 48), (40, 40)], ids=["two", "one"])
@pytest.mark.parametrize("name", ["remi", "events", "pianoroll", "programs"])
def test_a_theme_returns_on_its_own_tracks(
    studio: Studio, tmp_path: Path, name: str, programs: tuple[int, int]
) -> None:
    given = crossing(tmp_path / "crossing.mid", programs)
    out, _ = studio.sample(name, theme=given, form="AB2A", options={"variation": 0.0})
    assert struck(out, 4 * BAR, 6 * BAR)[:2] == struck(given, 0, 2 * BAR)


def test_notes_that_vary_a_theme_are_played_by_register(studio: Studio, tmp_path: Path) -> None:
    """Those that do not are played by the tracks that they had."""
    given = crossing(tmp_path / "crossing.mid", (73, 48))
    out, _ = studio.sample("remi", theme=given, form="AA", options={"variation": 0.6})
    theme, back = struck(given, 0, 2 * BAR), struck(out, 2 * BAR, 4 * BAR)
    assert set.union(*back) != set.union(*theme)
    for own, other, found in zip(theme, theme[::-1], back, strict=True):
        assert not found & (other - own)
