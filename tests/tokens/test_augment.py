"""Augmentation of scores: pitches and tempos move, all else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.errors import UsageError
from musictk.tokens.augment import AugmentSettings, stretched, transposed

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


def piece(pitch: int = 60) -> ScoreTick:
    score = ScoreTick(480)
    score.tracks.append(TrackTick("Piano"))
    score.tracks[0].notes.append(NoteTick(0, 480, pitch, 64))
    score.tracks.append(TrackTick("Drums", 0, True))
    score.tracks[1].notes.append(NoteTick(0, 480, 36, 64))
    return score


def duration(score: Any) -> float:
    return float(score.to("second").end())


def test_transposition_leaves_drums_and_the_source_alone() -> None:
    score = piece()
    moved = transposed(score, 7)
    assert moved is not None
    assert [track.notes[0].pitch for track in moved.tracks] == [67, 36]
    assert [track.notes[0].pitch for track in score.tracks] == [60, 36]


def test_transposition_out_of_range_is_refused() -> None:
    assert transposed(piece(125), 2) is not None
    assert transposed(piece(125), 3) is None
    assert transposed(piece(2), -3) is None


def test_a_stretch_makes_real_music_last_longer() -> None:
    score = ScoreTick.from_file(next(MIDIS.glob("Bach/*.mid")))
    seconds = duration(score)
    assert duration(stretched(score, 1.25)) == pytest.approx(1.25 * seconds, rel=1e-3)
    assert duration(score) == seconds


def test_a_stretch_slows_the_silent_tempo_of_the_beginning() -> None:
    score = piece()
    score.tempos.append(TempoTick(960, 60.0))
    slower = stretched(score, 2)
    assert [(tempo.time, tempo.qpm) for tempo in slower.tempos] == [(0, 60.0), (960, 30.0)]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError):
        AugmentSettings(transpose=-1)
    with pytest.raises(ValueError, match="stretch"):
        stretched(piece(), 9)
