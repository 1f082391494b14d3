"""Values derived by hand from the definitions of Museformer and of the Jazz Transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.evaluation.bar_measures import (
    FARTHEST,
    bar_entropy,
    groove_similarity,
    mean_curve,
    similarity_curve,
    similarity_error,
)
from musictk.music import bars, notes
from tests.evaluation.test_features import score_of

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


def test_bars_are_similar_by_the_notes_they_share() -> None:
    # Bars: C and E; C and G; C and E.
    score = score_of((0, 1, 60), (1, 1, 64), (4, 1, 60), (5, 1, 67), (8, 1, 60), (9, 1, 64))
    curve = similarity_curve(score)
    assert curve.shape == (FARTHEST,)
    assert curve[0] == pytest.approx(1 / 3)
    assert curve[1] == pytest.approx(1)
    assert np.isnan(curve[2:]).all()


def test_a_note_of_another_length_is_another_note() -> None:
    score = score_of((0, 1, 60), (4, 2, 60))
    assert similarity_curve(score)[0] == 0


def test_silent_pairs_are_skipped() -> None:
    score = score_of((0, 1, 60), (12, 1, 60))  # two silent bars between
    assert similarity_curve(score)[:3] == pytest.approx([0, 0, 1])


def test_the_error_is_the_mean_gap_where_both_curves_are_known() -> None:
    ours, corpus = np.array([0.5, 0.1, np.nan]), np.array([0.3, 0.2, 0.4])
    assert similarity_error(ours, corpus) == pytest.approx(0.15)
    assert similarity_error(corpus, corpus) == 0
    assert np.isnan(similarity_error(np.full(3, np.nan), corpus))


def test_the_mean_curve_counts_the_pieces_that_reach_a_distance() -> None:
    curves = [np.array([0.2, np.nan]), np.array([0.4, 0.6])]
    assert mean_curve(curves) == pytest.approx([0.3, 0.6])


def test_groove_is_the_share_of_positions_that_agree() -> None:
    # Onsets on beats 1 and 3, on beat 1, and on 1 and 3: of 64 positions 1, 0 and 1 differ.
    score = score_of((0, 1, 60), (2, 1, 60), (4, 4, 62), (8, 1, 60), (10, 2, 64))
    found = groove_similarity(notes(score), bars(score))
    assert found == pytest.approx((63 / 64 + 1 + 63 / 64) / 3)


def test_groove_of_one_bar_is_unknown() -> None:
    score = score_of((0, 4, 60))
    assert np.isnan(groove_similarity(notes(score), bars(score)))


def test_entropy_of_windows() -> None:
    # Bars: C E; C; silent; C G.
    score = score_of((0, 2, 60), (2, 2, 64), (4, 4, 72), (12, 2, 60), (14, 2, 67))
    found, edges = notes(score), bars(score)
    assert bar_entropy(found, edges, 1) == pytest.approx((1 + 0 + 1) / 3)
    whole = -(3 / 5 * np.log2(3 / 5) + 2 * 1 / 5 * np.log2(1 / 5))
    assert bar_entropy(found, edges, 4) == pytest.approx(whole)
    assert bar_entropy(found, edges, 9) == pytest.approx(whole)  # longer than the piece


def test_a_minuet_repeats_after_eight_bars() -> None:
    score = ScoreTick(MIDIS / "Bach" / "petzold_menuet_anh114.mid")
    curve = similarity_curve(score)
    assert curve[:8].argmax() == 7
