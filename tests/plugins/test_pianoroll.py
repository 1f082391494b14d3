"""pianoroll: frames that read back exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.testing import tokenizers as laws
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig

from .scores import pieces, score


@pytest.mark.parametrize("rate", [2, 4, 12])
def test_it_keeps_the_laws(rate: int) -> None:
    laws.check(PianoRoll(PianoRollConfig(frames_per_beat=rate)), pieces())


@settings(max_examples=100)
@given(
    arrays(
        np.uint8, st.tuples(st.sampled_from([16, 32, 48]), st.just(128)), elements=st.integers(0, 1)
    )
)
def test_any_roll_of_whole_bars_comes_back(roll: Any) -> None:
    roll[-1, 60] = 1
    tokenizer = PianoRoll(PianoRollConfig())
    laws.assert_same(tokenizer.encode(tokenizer.decode(roll)), roll, "encode(decode(roll))")


def sounding(music: ScoreTick, pitch: int = 60) -> str:
    roll = PianoRoll(PianoRollConfig()).encode(music)
    return "".join("#" if on else "." for on in roll[:, pitch])


def test_a_note_struck_again_is_parted_by_a_silent_frame() -> None:
    assert sounding(score((0, 1, 60), (1, 1, 60)))[:9] == "###.####."
    assert sounding(score((0, 2, 60), (1, 1, 60)))[:9] == "###.####."
    assert sounding(score((0, 0.5, 60), (1, 1, 60)))[:9] == "##..####."


def test_notes_of_one_frame_merge() -> None:
    assert sounding(score((0, 0.25, 60), (0.25, 0.25, 60), (0.5, 0.5, 60)))[:5] == "####."


def test_chords_stay_whole_and_bars_are_filled() -> None:
    roll = PianoRoll(PianoRollConfig(beats_per_bar=3)).encode(score((0, 1, 60), (0, 4, 64)))
    assert roll.shape == (24, 128)
    assert np.flatnonzero(roll[0]).tolist() == [60, 64]
    assert PianoRoll(PianoRollConfig(beats_per_bar=3)).bar_starts(roll).tolist() == [0, 12]


def test_music_it_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="no pitched note"):
        PianoRoll(PianoRollConfig()).encode(ScoreTick(480))
    with pytest.raises(ValueError, match="more than"):
        PianoRoll(PianoRollConfig()).encode(score((0, 1, 60), (1e6, 1, 60), ticks=1))
    with pytest.raises(UsageError):
        PianoRollConfig(frames_per_beat=0)


def test_transposition_stops_at_the_edge() -> None:
    roll = PianoRoll(PianoRollConfig()).encode(score((0, 1, 125)))
    assert PianoRoll(PianoRollConfig()).transpose(roll, 3) is None
    moved = PianoRoll(PianoRollConfig()).transpose(roll, 2)
    assert moved is not None
    assert moved[0, 127] == 1
