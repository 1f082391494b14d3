from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.evaluation.harmony import (
    begins_on_tonic,
    dissonant_pairs,
    ends_on_tonic,
    key_of,
    last_bar_complete,
    merge_unisons,
)
from musictk.keys import KEYS
from musictk.music import bars, notes
from tests.evaluation.test_features import score_of

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


@pytest.mark.parametrize(
    ("semitones", "share"),
    [(0, 0), (1, 1), (2, 1), (3, 0), (4, 0), (5, 0), (6, 1), (7, 0), (10, 1), (11, 1), (12, 0)],
)
def test_dissonant_intervals(semitones: int, share: float) -> None:
    for octave in (0, 24):
        score = score_of((0, 4, 40), (0, 4, 40 + semitones + octave))
        found = dissonant_pairs(notes(score))
        if semitones + octave:
            assert found == share
        else:
            assert np.isnan(found)  # one pitch


def test_pairs_are_weighted_by_the_time_they_sound() -> None:
    score = score_of((0, 4, 60), (0, 3, 67), (3, 1, 61))
    assert dissonant_pairs(notes(score)) == pytest.approx(1 / 4)
    seventh = score_of(*((0, 4, pitch) for pitch in (55, 59, 62, 65)))  # B-F and G-F of 6 pairs
    assert dissonant_pairs(notes(seventh)) == pytest.approx(2 / 6)


def test_random_pitches_have_five_twelfths() -> None:
    pitches = range(36, 84)
    score = score_of(*((0, 1, pitch) for pitch in pitches))
    equal_classes = 12 * (4 * 3 / 2) / (48 * 47 / 2)  # pairs at octaves are rarer than by chance
    assert dissonant_pairs(notes(score)) == pytest.approx(5 / 11 * (1 - equal_classes))


def test_human_pieces_are_far_from_chance() -> None:
    shares = [dissonant_pairs(notes(ScoreTick(path))) for path in sorted(MIDIS.glob("*/*.mid"))]
    assert 0.1 < np.median(shares) < 0.2


def test_a_doubled_pitch_is_one() -> None:
    score = score_of((0, 2, 60), (1, 2, 60), (3, 1, 60), (0, 1, 64))
    found = merge_unisons(notes(score))
    assert found.start.tolist() == [0, 0, 1440]
    assert found.end.tolist() == [1440, 480, 1920]
    assert found.pitch.tolist() == [60, 64, 60]


def test_the_tonic_at_both_ends_of_a_minuet() -> None:
    score = ScoreTick(MIDIS / "Bach" / "petzold_menuet_anh114.mid")
    found, edges = notes(score), bars(score)
    key = key_of(found)
    assert KEYS[key] == "G major"
    assert ends_on_tonic(found, key)
    assert begins_on_tonic(found, edges, key)
    assert last_bar_complete(score)
    dominant = (key + 7) % 12
    assert not ends_on_tonic(found, dominant)
    assert not begins_on_tonic(found, edges, dominant)


def test_an_upbeat_is_not_the_beginning() -> None:
    score = score_of((3, 1, 55), (4, 4, 48), (4, 4, 64))
    found = notes(score)
    assert begins_on_tonic(found, bars(score), 0)


def test_a_last_bar_that_breaks_off() -> None:
    assert last_bar_complete(score_of((0, 4, 60), (4, 3, 60)))
    assert not last_bar_complete(score_of((0, 4, 60), (4, 2, 60)))
