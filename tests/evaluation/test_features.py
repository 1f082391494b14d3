from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError
from musictk.evaluation import features
from musictk.music import bars, notes

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


def score_of(*played: tuple[float, float, int]) -> ScoreTick:
    """(onset, length, pitch), in quarters, at 480 ticks, 4/4."""
    score = ScoreTick(480)
    track = TrackTick()
    for onset, length, pitch in played:
        track.notes.append(NoteTick(int(onset * 480), int(length * 480), pitch, 80))
    score.tracks.append(track)
    return score


C_MAJOR = score_of(*((index, 1, pitch) for index, pitch in enumerate((60, 62, 64, 65, 67, 69, 71))))
CHROMATIC = score_of(*((index, 1, 60 + index) for index in range(12)))


def test_features_of_a_scale() -> None:
    found = features.features(C_MAJOR)
    assert found["scale consistency"] == pytest.approx(1.0)
    assert found["polyphony"] == pytest.approx(1.0)
    assert found["pitch range"] == 11
    assert found["notes per bar"] == pytest.approx(3.5)
    assert found["pitch class entropy"] == pytest.approx(np.log2(7))
    assert found["mean step"] == pytest.approx(1.0)


def test_features_of_all_twelve_tones() -> None:
    found = features.features(CHROMATIC)
    assert found["pitch class entropy"] == pytest.approx(np.log2(12))
    assert found["scale consistency"] == pytest.approx(7 / 12)


def test_polyphony_counts_what_sounds_together() -> None:
    chord = score_of((0, 4, 60), (0, 4, 64), (0, 4, 67), (8, 2, 60))
    assert features.polyphony(notes(chord)) == pytest.approx(14 / 6)


def test_a_bar_is_empty_where_nothing_sounds() -> None:
    score = score_of((0, 4, 60), (8, 1, 60), (16, 8, 60))  # bars 1, 3, 5 and 6 of 6
    assert features.empty_bars(notes(score), bars(score)) == pytest.approx(2 / 6)


def test_what_a_piece_does_not_have_is_not_compared() -> None:
    """The groove of one bar and the step of one onset: they were 0, and drew the means down."""
    chord, corpus = score_of((0, 4, 60), (0, 4, 64)), [C_MAJOR, CHROMATIC, C_MAJOR]
    compared = features.compare_features([chord], corpus)["features"]
    assert not {"groove similarity", "mean step"} & set(compared)
    assert compared["polyphony"]["generated"] == pytest.approx(2.0)
    one = features.compare_features([C_MAJOR], corpus)["features"]
    more = features.compare_features([C_MAJOR, chord], [*corpus, chord])["features"]
    for name in ("groove similarity", "mean step"):
        assert more[name] == one[name]


@given(st.integers(-12, 12))
def test_transposition_changes_no_relative_feature(semitones: int) -> None:
    score = ScoreTick(MIDIS / "Bach" / "musette_anh126.mid")
    before, after = features.features(score), features.features(score.shift_pitch(semitones))
    for name in ("pitch class entropy", "scale consistency", "polyphony", "pitch range", "steps"):
        assert np.allclose(before[name], after[name])


def test_identical_samples_overlap_wholly_and_distant_ones_not_at_all() -> None:
    sample = np.random.default_rng(0).normal(size=500)
    area, divergence = features.overlap(sample, sample)
    assert area == pytest.approx(1.0)
    assert divergence == pytest.approx(0.0)
    area, divergence = features.overlap(sample, sample + 50)
    assert area < 0.01
    assert divergence > 5


def test_bach_is_nearer_to_bach_than_noise_is() -> None:
    bach = [ScoreTick(path) for path in sorted((MIDIS / "Bach").glob("*.mid"))]
    rng = np.random.default_rng(0)
    onsets, pitches = np.sort(rng.uniform(0, 60, 400)), rng.integers(21, 108, 400)
    noise = score_of(*((a, 0.07, int(b)) for a, b in zip(onsets, pitches, strict=True)))
    real = features.compare_features(bach[::5], [score for i, score in enumerate(bach) if i % 5])[
        "features"
    ]
    fake = features.compare_features([noise], bach)["features"]
    for name in ("pitch class entropy", "scale consistency", "pitch range", "onsets in the beat"):
        assert real[name]["overlap"] > fake[name]["overlap"], name


def test_the_report_is_json() -> None:
    scores = [ScoreTick(path) for path in sorted((MIDIS / "Bach").glob("*.mid"))[:4]]
    report = features.compare_features(scores[:1], scores[1:])
    assert json.loads(json.dumps(report)) == report
    assert report["generated"] == 1
    assert report["corpus"] == 3


def test_pieces_of_drums_in_a_corpus_are_left_out() -> None:
    drums = score_of((0, 1, 36), (1, 1, 38))
    drums.tracks[0].is_drum = True
    report = features.compare_features([C_MAJOR], [drums, C_MAJOR, C_MAJOR, CHROMATIC])
    assert report["corpus"] == 3


def test_a_piece_without_pitched_notes_is_an_error() -> None:
    with pytest.raises(MusictkError, match="no pitched notes"):
        features.features(ScoreTick(480))
    with pytest.raises(MusictkError, match="at least 3"):
        features.compare_features([C_MAJOR], [C_MAJOR])


def test_scale_consistency_in_minor_is_that_of_the_natural_scale() -> None:
    minor = score_of(*((i, 1, p) for i, p in enumerate((57, 59, 60, 62, 64, 65, 67, 68))))
    assert features.features(minor)["scale consistency"] == pytest.approx(7 / 8)


def test_the_central_range_is_from_the_10th_to_the_90th_percentile() -> None:
    assert features.central_range(list(range(11))) == pytest.approx((1, 9))
    assert features.share_inside(np.array([0.5, 1, 5, 9]), 1, 9) == pytest.approx(3 / 4)


def test_a_comparison_says_which_pieces_are_inside() -> None:
    bach = [ScoreTick(path) for path in sorted((MIDIS / "Bach").glob("*.mid"))]
    found = features.compare_features([CHROMATIC], bach)["features"]
    assert found["scale consistency"]["inside"] == 0
    assert found["scale consistency"]["low"] < found["scale consistency"]["high"]
    assert found["pitch classes"]["inside"] is None
    assert set(features.REQUIRED) <= set(found)
