from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.errors import MusictkError
from musictk.evaluation.attribution import (
    Example,
    assign_folds,
    cross_validate,
    train_classifier,
)
from musictk.evaluation.classifier_file import read_classifier, write_classifier
from musictk.evaluation.figures import FIGURES, KINDS, Counts, count_figures

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
INVENTION = ScoreTick(MIDIS / "Bach" / "invention_13_a_minor.mid")


def scale_piece(seed: int) -> ScoreTick:
    """Steps upwards, one at a time."""
    random = np.random.default_rng(seed)
    return made([[int(60 + each)] for each in np.cumsum(random.integers(1, 3, 60)) % 24])


def chord_piece(seed: int) -> ScoreTick:
    """Triads that leap."""
    random = np.random.default_rng(seed)
    return made([[low, low + 4, low + 7] for low in random.integers(40, 70, 40).tolist()])


def made(chords: list[list[int]]) -> ScoreTick:
    score, track = ScoreTick(480), TrackTick()
    for index, chord in enumerate(chords):
        for pitch in chord:
            track.notes.append(NoteTick(index * 240, 240, pitch, 80))
    score.tracks.append(track)
    return score


def examples(count: int = 12) -> list[Example]:
    return [
        Example(name, f"{name} {seed // 2}", count_figures(draw(seed)))
        for name, draw in (("Leaps", chord_piece), ("Steps", scale_piece))
        for seed in range(count)
    ]


def same(one: Counts, other: Counts, kind: str) -> bool:
    (buckets, counts), (others, numbers) = one[kind], other[kind]
    return np.array_equal(buckets, others) and np.array_equal(counts, numbers)


def test_figures_do_not_depend_on_tempo_and_octave_free_ones_not_on_the_key() -> None:
    faster, higher = INVENTION.copy(), INVENTION.shift_pitch(3)
    faster.tempos.clear()
    faster.tempos.append(TempoTick(0, qpm=200))
    given, fast, high = map(count_figures, (INVENTION, faster, higher))
    assert set(given) == set(KINDS)
    assert all(same(given, fast, kind) for kind in KINDS)
    free = [kind for kind in FIGURES if not kind.startswith("placed-")]
    assert all(same(given, high, kind) for kind in free)
    assert not same(given, high, "register")


@pytest.mark.parametrize("chords", [[], [[60]] * 5, [list(range(40, 80))]])
def test_a_piece_with_too_few_notes_is_an_error(chords: list[list[int]]) -> None:
    with pytest.raises(MusictkError, match="too short") as error:
        count_figures(made(chords))
    assert "at least 32 notes" in error.value.hint


def test_composers_that_differ_are_recognised() -> None:
    found = train_classifier(examples())
    assert (found.scores.pieces, found.scores.works) == (24, 12)
    assert found.scores.f1 == found.scores.weighted_f1 == found.scores.accuracy == 1
    assert found.scores.by_composer == {"Leaps": 1, "Steps": 1}
    for draw, name in ((chord_piece, "Leaps"), (scale_piece, "Steps")):
        shares = found.probabilities(count_figures(draw(99)))
        assert next(iter(shares)) == name
        assert sum(shares.values()) == pytest.approx(1)


def test_versions_of_a_work_do_not_help_to_recognise_it() -> None:
    """Random composers of pieces in versions: only a divided work could be attributed."""
    composers = np.random.default_rng(0).integers(2, size=20)
    works = [
        Example(str(composers[seed]), str(seed), counts)
        for seed in range(20)
        for counts in [count_figures(chord_piece(seed))] * 3
    ]
    leaking = [each._replace(work=str(index)) for index, each in enumerate(works)]
    assert cross_validate(leaking).accuracy == 1
    assert cross_validate(works).accuracy < 0.8


def test_folds_keep_works_together_and_are_even() -> None:
    labels = np.repeat([0, 1], 30)
    works = [f"{label} {index % 10}" for index, label in enumerate(labels)]
    places = assign_folds(labels, works, 5, 0)
    assert all(len({places[i] for i in range(60) if works[i] == work}) == 1 for work in works)
    for label in (0, 1):
        assert np.bincount(places[labels == label]).tolist() == [6] * 5


def test_a_classifier_is_stored_without_pickle(tmp_path: Path) -> None:
    found, path = train_classifier(examples(6)), tmp_path / "kept" / "found.safetensors"
    write_classifier(path, found)
    again = read_classifier(path)
    assert again is not None
    assert again.composers == found.composers
    assert again.scores == found.scores
    assert json.loads(json.dumps(again.scores.plain())) == found.scores.plain()
    counts = count_figures(INVENTION)
    assert again.probabilities(counts) == pytest.approx(found.probabilities(counts), abs=1e-3)
    path.write_bytes(path.read_bytes()[:1000])
    assert read_classifier(path) is None
    assert read_classifier(tmp_path / "none") is None
