"""Rows that are arranged for infilling."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musictk.tokens.bar_table import BarTable
from musictk.tokens.crops import Crops
from musictk.tokens.infill import InfillRows

from .examples import tokens_shard

AFTER, ROLE, REMAINING = 1, 0, 1


def crops(folder: Path, rate: float) -> Crops:
    """One piece of 40 positions, in which a bar begins at every fifth."""
    shard = tokens_shard(folder, [40], size=2000)
    starts = np.arange(0, 40, 5)
    ids = np.zeros((len(starts), 2), np.uint8)
    table = BarTable(np.array([0, len(starts)]), starts, ids, lambda each, semitones: each)
    infill = InfillRows(rate, ROLE, REMAINING, AFTER)
    return Crops(shard, np.zeros((1, 1), np.int64), np.ones(1), bars=table, infill=infill)


def test_an_arranged_row_predicts_as_much_as_another(tmp_path: Path) -> None:
    plain = crops(tmp_path / "a", 0).batch(0, 0, 16, 30)
    arranged = crops(tmp_path / "b", 1).batch(0, 0, 16, 30)
    assert np.array_equal(plain.mask, arranged.mask)
    moved = 0
    for row in range(16):
        count = int(plain.mask[row].sum())
        window = np.append(plain.inputs[row, :count], plain.targets[row, count - 1])
        read = arranged.inputs[row, :count]
        assert len(np.unique(read)) == count, "a position is in the row twice"
        assert np.isin(read, window).all()
        moved += not np.array_equal(read, plain.inputs[row, :count])
    assert moved > 8


def test_the_bars_after_others_are_marked_as_given(tmp_path: Path) -> None:
    batch = crops(tmp_path / "a", 1).batch(0, 0, 16, 30)
    for row, count in enumerate(batch.mask.sum(1).tolist()):
        begin = int(batch.starts[row] == 0)  # the start of a piece is in its first bar
        inputs = batch.inputs[row, begin:count]
        role, left = batch.controls[row][batch.bars[row, begin:count]].T
        if not role.any():
            continue
        given, written = np.flatnonzero(role == AFTER), np.flatnonzero(left > 0)
        assert given.max() < written.min(), "what is given is not before what is written"
        assert left[written[0]] == left.max()
        assert set(np.diff(left[written])) <= {0, -1}, "the bars left do not count down"
        assert len(np.intersect1d(inputs[given], inputs[written])) == 0


def test_the_bar_before_others_stays_before_them(tmp_path: Path) -> None:
    batch = crops(tmp_path / "a", 1).batch(0, 0, 64, 30)
    found = 0
    for row, count in enumerate(batch.mask.sum(1).tolist()):
        begin = int(batch.starts[row] == 0)
        inputs = batch.inputs[row, begin:count]
        left = batch.controls[row][batch.bars[row, begin:count]][:, REMAINING]
        written = np.flatnonzero(left > 0)
        first = int(inputs[written[0]]) if len(written) else 0
        if first > inputs.min() + 5:  # a whole bar of the row is before it
            assert inputs[written[0] - 5 : written[0]].tolist() == [*range(first - 5, first)]
            found += 1
    assert found > 8
