from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from musictk.errors import MusictkError
from musictk.evaluation.compare import ScoredRun, comparable_runs, compare_scores
from musictk.evaluation.nll import difference, per_unit


def _scored(name: str, pieces: list[int], per_note: float, noise: float = 0.0) -> ScoredRun:
    rng = np.random.default_rng(5)
    notes = rng.integers(100, 1000, 100)[pieces]
    hard = 1 + rng.normal(0, 0.3, 100)[pieces]  # a piece is hard for every run alike
    jitter = np.random.default_rng(len(name)).normal(0, noise, len(pieces))
    return ScoredRun(
        name,
        "remi",
        tuple(pieces),
        notes * (per_note * hard + jitter),
        notes * 4,
        notes,
        notes / 5.0,
        1000,
        123.4,
    )


def test_units_divide_the_same_nats() -> None:
    (row,) = compare_scores([_scored("a", [1, 2, 3], 2.0)])
    values = row.plain()
    assert values["per_note"] == pytest.approx(4 * values["per_token"], abs=1e-3)
    assert values["per_second"] == pytest.approx(5 * values["per_note"], abs=1e-3)
    assert values["pieces"] == 3
    assert values["behind"] == 0


def test_only_pieces_that_all_scored_count_in_any_order() -> None:
    one = _scored("one", [4, 2, 9, 7], 2.0)
    other = _scored("other", [9, 7, 5, 4], 2.0)
    rows = compare_scores([one, other])
    assert [row.pieces for row in rows] == [3, 3]
    assert rows[0].per_note == rows[1].per_note
    with pytest.raises(MusictkError, match="third: no piece in common with one, other"):
        compare_scores([one, _scored("third", [1], 2.0), other])


def test_most_runs_are_compared_and_the_last_where_it_is_even() -> None:
    text = _scored("text", [11, 12], 2.0)
    first, second = _scored("first", [1, 2, 3], 2.0), _scored("second", [3, 4], 2.0)
    assert [run.name for run in comparable_runs([text, first, second])] == ["first", "second"]
    assert [run.name for run in comparable_runs([first, text])] == ["text"]
    nothing = replace(first, positions=first.positions * 0)
    assert [run.name for run in comparable_runs([text, nothing])] == ["text"]
    assert comparable_runs([nothing]) == []
    with pytest.raises(MusictkError, match="first: no piece in common"):
        compare_scores([nothing])


def test_a_piece_with_nothing_scored_is_left_out() -> None:
    run = _scored("a", [0, 1, 2], 2.0)
    run.positions[1] = 0
    assert compare_scores([run])[0].pieces == 2


def test_paired_differences_are_significant_where_intervals_overlap() -> None:
    pieces = list(range(100))
    better, worse = _scored("a", pieces, 2.0, 0.01), _scored("bb", pieces, 2.05, 0.01)
    rows = compare_scores([worse, better])
    assert [row.run for row in rows] == ["a", "bb"]
    values = [row.plain() for row in rows]
    assert values[0]["per_note_95"][1] > values[1]["per_note_95"][0]  # they overlap
    assert values[1]["behind_95"][0] > 0


def test_intervals_have_their_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        units = rng.integers(50, 500, 60).astype(float)
        nats = units * rng.normal(2.0, 0.5, 60)
        interval = per_unit(nats, units, trial)
        covered += interval.low <= 2.0 <= interval.high
        assert interval.low <= interval.mean <= interval.high
    assert 0.87 <= covered / 100 <= 1.0


@pytest.mark.parametrize("works", [5, 20])
def test_performances_of_one_work_count_together(works: int) -> None:
    """By pieces, an interval covers the truth in fewer than half of the trials here."""
    rng = np.random.default_rng(0)
    clusters = np.arange(works).repeat(10)
    covered, trials = 0, 200
    for trial in range(trials):
        units = rng.integers(50, 500, works * 10).astype(float)
        hard = rng.normal(2.0, 0.5, works)[clusters]
        nats = units * (hard + rng.normal(0, 0.1, works * 10))
        interval = per_unit(nats, units, trial, clusters.tolist())
        covered += interval.low <= 2.0 <= interval.high
    assert 0.90 <= covered / trials <= 0.98


def test_the_memory_of_an_interval_does_not_grow_with_the_corpus() -> None:
    def peak(pieces: int) -> int:
        nats = np.random.default_rng(1).random(pieces)
        tracemalloc.start()
        per_unit(nats, nats + 1)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(10_000) < 8 << 20  # (2000, P) numbers would take 160 MB


def test_versions_of_one_work_are_counted_as_one_work() -> None:
    run = _scored("a", [1, 2, 3, 4], 2.0)
    apart, together = (
        compare_scores([replace(run, clusters=clusters)])[0]
        for clusters in (("a", "b", "c", "d"), ("a", "a", "a", "a"))
    )
    assert (apart.pieces, apart.works) == (4, 4)
    assert (together.pieces, together.works) == (4, 1)
    assert apart.plain()["per_note"] == together.plain()["per_note"]
    assert together.plain()["per_note_95"][0] == together.plain()["per_note_95"][1]


def test_a_run_is_not_behind_itself() -> None:
    nats, units = np.array([3.0, 5.0]), np.array([1.0, 2.0])
    assert difference(nats, nats, units).high == 0
    single = per_unit(nats[:1], units[:1])
    assert single.low == single.high == 3.0


def test_text_has_neither_notes_nor_seconds() -> None:
    rows = compare_scores([_silent("worse", 3.0), _silent("better", 2.0)])
    assert [row.run for row in rows] == ["better", "worse"]
    values = [row.plain() for row in rows]
    assert values[0]["per_token"] > 0
    assert all(row[name] is None for row in values for name in ("per_note", "per_second", "behind"))


def _silent(name: str, per_note: float) -> ScoredRun:
    scored = _scored(name, [1, 2, 3], per_note)
    return replace(scored, notes=scored.notes * 0, seconds=scored.seconds * 0)
