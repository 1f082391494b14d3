"""Augmentation of scores: pitches and tempos move, all else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.errors import UsageError
from musictk.testing import tokenizers as laws
from musictk.testing.exports import Blank
from musictk.tokens import Frames, Tokens
from musictk.tokens.augment import Augment, AugmentSettings, stretched, transposed
from musictk.tokens.shards import open_shard, write_shard
from musictk_events.tokenizer import Events, EventsConfig

Rng = np.random.default_rng
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


class Numbers(Blank):
    """Ids are pitches and velocities; computes with them in the type that they have."""

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any]:
        return sequence + semitones

    def shift_velocity(self, sequence: NDArray[Any], steps: int) -> NDArray[Any]:
        return sequence + 100 * steps


def test_a_tokenizer_computes_with_ids_that_do_not_overflow(tmp_path: Path) -> None:
    """A shard has ids of 16 bits; adding a negative number to one is an error of numpy."""
    tokenizer = Numbers(Tokens(60_000))
    write_shard(tmp_path / "shard", tokenizer, [(0, np.full(40, 5))])
    shard = open_shard(tmp_path / "shard")
    assert shard.sequence.dtype == np.uint16
    augment, rng = Augment(tokenizer, AugmentSettings(transpose=3, velocity=1)), Rng(0)
    drawn = [augment(shard.sequence[:8], rng) for _ in range(60)]
    found = {int(crop[0]) - 5 - semitones for crop, semitones in drawn}
    assert found == {-100, 0, 100}
    assert {semitones for _, semitones in drawn} == set(range(-3, 4))


def test_frames_stay_bytes() -> None:
    augment = Augment(Blank(Frames(4)), AugmentSettings(transpose=3, velocity=5))
    frames = np.ones((6, 4), np.uint8)
    assert all(augment(frames, Rng(i))[0].dtype == np.uint8 for i in range(9))


class Louder(Events):
    """Events whose `shift_velocity` does something else."""

    fault = ""

    def shift_velocity(self, sequence: NDArray[Any], steps: int) -> NDArray[Any]:
        if self.fault == "length":
            return sequence[1:]
        if self.fault == "pitch":
            moved = self.transpose(sequence, 1)
            assert moved is not None
            return moved
        if self.fault == "input":
            sequence[0] = sequence[-1]
        return super().shift_velocity(sequence, steps)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("length", "shift_velocity changed the length"),
        ("pitch", "shift_velocity by -20 changed more than velocities"),
        ("input", "shift_velocity wrote into its input"),
    ],
)
def test_the_law_of_velocity_names_what_is_wrong(fault: str, message: str) -> None:
    tokenizer = Louder(EventsConfig())
    laws.check_velocity(tokenizer, [piece()])
    tokenizer.fault = fault
    with pytest.raises(AssertionError, match=message):
        laws.check_velocity(tokenizer, [piece()])


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError):
        AugmentSettings(transpose=-1)
    with pytest.raises(ValueError, match="stretch"):
        stretched(piece(), 9)
