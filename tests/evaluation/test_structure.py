"""Fitness by the book's equations (Müller, Fundamentals of Music Processing, section 4.3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.evaluation.structure import (
    BANDS,
    chroma,
    indicator,
    scape_plot,
    self_similarity,
    structureness,
)
from tests.evaluation.test_features import score_of

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


def test_fitness_of_a_piece_that_repeats_its_half() -> None:
    # Frames 1 2 3 1 2 3: the first half returns once. The path family has score 6 over 6 cells
    # and covers 6 frames; less the segment itself both are 3 of 6: fitness 1/2.
    classes = np.arange(6) % 3
    similarity = np.where(classes[:, None] == classes[None], 1.0, -2.0)
    fitness = scape_plot(similarity)
    assert fitness[2, 0] == pytest.approx(1 / 2)
    assert fitness[5, 0] == pytest.approx(0)  # the whole piece explains nothing but itself
    assert fitness.max() == pytest.approx(1 / 2)


def test_fitness_without_repetition_is_zero() -> None:
    similarity = np.where(np.eye(8) > 0, 1.0, -2.0)
    assert np.abs(scape_plot(similarity)).max() == pytest.approx(0)


def test_a_segment_repeated_at_half_the_tempo_is_found() -> None:
    classes = np.array([0, 1, 2, 3, 0, 0, 1, 1, 2, 2, 3, 3])
    similarity = np.where(classes[:, None] == classes[None], 1.0, -2.0)
    fitness = scape_plot(similarity)
    # Two steps of (2, 1) for each frame: the path of 4 cells covers 7 of the 8 slow frames.
    assert fitness[3, 0] > 0.3


def test_the_band_of_an_indicator_is_in_seconds() -> None:
    fitness = np.zeros((40, 40))
    fitness[5, 0], fitness[15, 0], fitness[39, 0] = 0.1, 0.2, 0.3  # segments of 3, 8 and 20 s
    assert indicator(fitness, 3, 7.5) == 0.1
    assert indicator(fitness, 8, 15) == 0.2
    assert indicator(fitness, 15, 128) == 0.3
    assert indicator(fitness, 21, 128) == 0


def test_similarity_is_one_on_the_diagonal_and_punishes_the_rest() -> None:
    features = chroma(ScoreTick(MIDIS / "Bach" / "musette_anh126.mid"))
    similarity = self_similarity(features)
    assert np.diag(similarity) == pytest.approx(1)
    assert similarity.max() <= 1
    kept = similarity >= 0
    assert 0.24 < kept.mean() < 0.3
    assert (similarity[~kept] == -2).all()


def test_chroma_of_a_held_chord() -> None:
    features = chroma(score_of((0, 16, 60), (0, 16, 67)))  # 8 seconds
    assert features.shape == (16, 12)
    assert features[8, [0, 7]] == pytest.approx(np.sqrt(1 / 2))
    assert features[8].sum() == pytest.approx(np.sqrt(2))


def test_repeated_music_has_more_structure_than_random_notes() -> None:
    rng = np.random.default_rng(0)
    theme = [(0.5 * i, 0.5, int(p)) for i, p in enumerate(rng.integers(48, 84, 32))]
    repeated = [(onset + 16 * k, length, pitch) for k in range(4) for onset, length, pitch in theme]
    random = [(0.5 * i, 0.5, int(p)) for i, p in enumerate(rng.integers(48, 84, 128))]
    ours, theirs = structureness(score_of(*repeated)), structureness(score_of(*random))
    assert all(0 <= value <= 1 for value in (*ours.values(), *theirs.values()))
    assert ours["short"] > theirs["short"] + 0.2


def test_short_and_empty_pieces_have_none() -> None:
    assert structureness(ScoreTick(480)) == dict.fromkeys(BANDS, 0.0)
    assert structureness(score_of((0, 1, 60))) == dict.fromkeys(BANDS, 0.0)
