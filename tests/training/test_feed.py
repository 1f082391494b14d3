from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.controls import Controls
from musictk.plugin import registry
from musictk.training.feed import Feed, torch_seed
from musictk.training.language import drop_conditions, drop_controls


@pytest.mark.parametrize("short_rows", [0.0, 0.5])
def test_processes_share_out_the_whole_batch(small: SimpleNamespace, short_rows: float) -> None:
    task = small.task()
    settings = small.SMALL.but(accumulation=2, steps=4, short_rows=short_rows)
    with Feed(task, settings, slice(0, 4)) as feed:
        whole = [feed[step] for step in range(3)]
    parts = []
    for rows in (slice(0, 2), slice(2, 4)):
        with Feed(task, settings, rows) as feed:
            parts.append([feed[step] for step in range(3)])
    for step, data in enumerate(whole):
        one, other = parts[0][step], parts[1][step]
        assert data.count == one.count == other.count
        _, _, masks, *_ = zip(*(part.arrays for part in data.parts), strict=True)
        assert data.count == sum(int(mask.sum()) for mask in masks)
        for part, first, second in zip(data.parts, one.parts, other.parts, strict=True):
            for joined, *shares in zip(part.arrays, first.arrays, second.arrays, strict=True):
                assert np.array_equal(joined, np.concatenate(shares))


def test_the_first_rows_are_shorter_and_more(small: SimpleNamespace) -> None:
    task = small.task()
    settings = small.SMALL.but(accumulation=2, steps=4, short_rows=0.5)
    with Feed(task, settings, slice(0, 4)) as feed:
        shapes = [[part.arrays[0].shape for part in feed[step].parts] for step in range(4)]
    assert shapes == [[(8, 16)] * 2] * 2 + [[(4, 32)] * 2] * 2
    for length in (2, 3):  # too short to be halved
        with Feed(task, settings.but(length=length), slice(0, 4)) as feed:
            assert feed[0].parts[0].arrays[0].shape == (4, length)


def test_a_step_is_the_same_whatever_came_before(small: SimpleNamespace) -> None:
    task = small.task()
    with Feed(task, small.SMALL, slice(0, 4)) as feed:
        in_order = [feed[step] for step in range(4)][3]
    with Feed(task, small.SMALL, slice(0, 4)) as feed:
        alone = feed[3]
    for one, other in zip(in_order.parts[0].arrays, alone.parts[0].arrays, strict=True):
        assert np.array_equal(one, other)


@given(st.integers(0, 2**31), st.integers(0, 10_000), st.integers(1, 3))
def test_a_dropped_label_becomes_0_and_others_stay(seed: int, draw: int, categories: int) -> None:
    before = np.arange(1, 1 + 50 * categories).reshape(50, categories)
    after = drop_conditions(before, seed, draw, 0.5)
    assert np.array_equal(after, drop_conditions(before, seed, draw, 0.5))
    assert np.isin(after, [0, *before.ravel()]).all()
    assert ((after == before) | (after == 0)).all()
    assert (drop_conditions(before, seed, draw, 0.0) == before).all()
    assert (drop_conditions(before, seed, draw, 1.0) == 0).all()


def test_one_category_is_dropped_as_often_as_asked() -> None:
    dropped = drop_conditions(np.ones((100_000, 1), np.int64), 3, 0, 0.1) == 0
    assert abs(dropped.mean() - 0.1) < 0.005


def test_with_two_categories_either_may_be_left_open() -> None:
    after = drop_conditions(np.ones((2000, 2), np.int64), 3, 0, 0.2)
    assert {tuple(row) for row in after.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_of_several_categories_one_is_often_given_alone() -> None:
    after = drop_conditions(np.ones((20_000, 4), np.int64), 3, 0, 0.1)
    alone = (after == [1, 0, 0, 0]).all(1).mean()
    assert 0.01 < alone < 0.03
    assert 0.6 < (after == 1).all(1).mean() < 0.7


def test_dropout_differs_by_step_and_process() -> None:
    seeds = {torch_seed(0, draw, rank) for draw in range(20) for rank in range(4)}
    assert len(seeds) == 80


def test_controls_of_a_row_are_dropped_alike_beside_a_longer_one() -> None:
    """A run of bars in which a control is given lies within the bars of its own row."""
    names = ["key", "density"]
    controls = Controls.of([registry().load("control", name)() for name in names])
    short = np.array([5] * 400)
    alone = drop_controls(np.ones((400, 5, 2), np.int64), short, controls, 3, 0)
    padded = drop_controls(np.ones((400, 40, 2), np.int64), short, controls, 3, 0)
    assert np.array_equal(alone, padded[:, :5])
    given = alone[..., 0] > 0  # (B, N): of the key
    partly = given.any(1) & ~given.all(1)
    assert 0.05 < partly.mean() < 0.15
    assert (np.diff(given[partly], axis=1, prepend=0, append=0) != 0).sum(1).max() == 2
