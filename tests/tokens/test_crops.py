"""Crops are pure functions of (seed, step), and cover predicts everything once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musictk.errors import MusictkError
from musictk.testing.crops import check_draws
from musictk.tokens import Tokens
from musictk.tokens.augment import Augment, AugmentSettings
from musictk.tokens.batch import Batch
from musictk.tokens.crops import Crops, Draw
from musictk.tokens.cuts import cut
from musictk.tokens.shards import Shard

from .examples import Plain, frames_shard, tokens_shard


def crops(shard: Shard, cache: int = 0, augment: Augment | None = None) -> Crops:
    pieces = len(shard.files)
    conditions = np.arange(2 * pieces).reshape(pieces, 2)
    return Crops(shard, conditions, np.ones(pieces), augment, cache)


def equal(one: Batch, other: Batch) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_equal_seeds_and_steps_give_equal_batches(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a", [80, 20, 90])
    first = crops(shard).batch(7, 3, 8, 16)
    assert equal(first, crops(shard).batch(7, 3, 8, 16))
    assert not equal(first, crops(shard).batch(7, 4, 8, 16))
    assert not equal(first, crops(shard).batch(8, 3, 8, 16))


def test_targets_are_inputs_one_later(tmp_path: Path) -> None:
    batch = crops(tokens_shard(tmp_path / "a", [80, 20, 90])).batch(0, 0, 32, 16)
    assert batch.inputs.shape == batch.targets.shape == batch.mask.shape == (32, 16)
    assert np.array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    assert np.array_equal(batch.conditions, np.stack([2 * batch.pieces, 2 * batch.pieces + 1], 1))


def test_bos_and_eos_stand_only_at_the_ends_of_a_piece(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a", [30])
    source = crops(shard)
    whole = np.concatenate([[1], shard.piece(0), [2]])
    for step in range(60):
        batch = source.batch(0, step, 4, 8)
        for row, start in enumerate(batch.starts.tolist()):
            held = int(batch.mask[row].sum())
            assert np.array_equal(batch.inputs[row, :held], whole[start : start + held])
            assert np.array_equal(batch.targets[row, :held], whole[start + 1 : start + held + 1])
            assert not batch.targets[row, held:].any()
            assert batch.mask[row, :held].all()


def test_the_first_position_is_drawn_as_often_as_any(tmp_path: Path) -> None:
    """Crops that stayed inside the piece drew it 128 times less often than a middle one."""
    source = crops(tokens_shard(tmp_path / "a", [1000], size=2000))
    drawn = np.zeros(1001)
    for step in range(200):
        batch = source.batch(0, step, 64, 128)
        for start, held in zip(batch.starts, batch.mask.sum(1), strict=True):
            drawn[start : start + held] += 1
    assert drawn[0] == pytest.approx(drawn.mean(), rel=0.1)
    assert drawn[-1] == pytest.approx(drawn.mean(), rel=0.1)
    assert drawn == pytest.approx(np.full(1001, drawn.mean()), rel=0.15)


def test_a_short_piece_is_drawn_by_its_length_once_not_twice(tmp_path: Path) -> None:
    """Its positions are as likely as those of a long one: a window of it holds all of them."""
    source = crops(tokens_shard(tmp_path / "a", [9, 89]))
    assert source.chances(20) == pytest.approx([1 / 6, 5 / 6])  # 1 window, and 5


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("draw", ["positions", "pieces"])
@pytest.mark.parametrize("length", [1, 2, 9, 40])
def test_the_law_of_windows(tmp_path: Path, frames: bool, draw: Draw, length: int) -> None:
    sizes = [1, 2, 8, 9, 10, 17, 18, 26, 39, 40, 79, 80, 81, 119, 300]
    path = tmp_path / "a"
    check_draws(
        frames_shard(path, sizes) if frames else tokens_shard(path, sizes, 2000), draw, length
    )


@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=5), length=st.integers(1, 100))
def test_any_cut_holds_each_position_equally_often(sizes: list[int], length: int) -> None:
    cuts = cut(np.array(sizes), length)
    for piece, size in enumerate(sizes):
        choices = np.arange(cuts.choices[piece])
        starts = cuts.starts(np.full(len(choices), piece), choices)
        assert len(set(starts.tolist())) == len(starts)
        covered = np.zeros(size, np.int64)
        for start in starts.tolist():
            held = covered[max(start, 0) : start + length]
            assert len(held), "an empty window"
            held += 1
        assert (covered == cuts.phases[piece]).all()
        # No more crops than an eighth of one beyond the fewest; a piece that fits is not cut.
        fewest = -(-size // length)
        assert fewest <= cuts.count[piece] <= (-(-(size + length // 8) // length) if size else 0)
        assert cuts.count[piece] == fewest or size > length
        assert size <= length or cuts.phases[piece] >= length // 8 - 1


def test_a_short_piece_is_padded_and_masked(tmp_path: Path) -> None:
    batch = crops(tokens_shard(tmp_path / "a", [3])).batch(0, 0, 1, 8)
    assert batch.inputs.tolist() == [[1, 3, 4, 5, 2, 0, 0, 0]]
    assert batch.targets.tolist() == [[3, 4, 5, 2, 0, 0, 0, 0]]
    assert batch.mask.tolist() == [[True] * 4 + [False] * 4]


def test_frames_begin_with_an_empty_one_and_have_no_end(tmp_path: Path) -> None:
    shard = frames_shard(tmp_path / "a", [5])
    batch = crops(shard).batch(0, 0, 1, 8)
    assert batch.inputs.dtype == np.uint8
    assert not batch.inputs[0, 0].any()
    assert np.array_equal(batch.inputs[0, 1:6], shard.piece(0))
    assert np.array_equal(batch.targets[0, :5], shard.piece(0))
    assert batch.mask[0].tolist() == [True] * 5 + [False] * 3


@pytest.mark.parametrize("cache", [1, 2, 9])
def test_a_cache_of_frames_changes_nothing(tmp_path: Path, cache: int) -> None:
    shard = frames_shard(tmp_path / "a", [40, 5, 60, 33])
    plain, cached = crops(shard), crops(shard, cache)
    for step in range(10):
        assert equal(plain.batch(1, step, 6, 12), cached.batch(1, step, 6, 12))


def test_pieces_are_drawn_by_weight_and_length(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a", [99, 49, 49, 0])
    source = Crops(shard, np.zeros((4, 0), np.int64), np.array([1.0, 0.0, 4.0, 9.0]))
    drawn = np.concatenate([source.batch(0, step, 100, 8).pieces for step in range(40)])
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    assert shares[1] == shares[3] == 0
    assert shares[2] == pytest.approx(2 / 3, abs=0.03)  # 4 × 50 against 1 × 100


def test_a_shard_without_music_is_an_error(tmp_path: Path) -> None:
    for lengths in ([], [0, 0]):
        source = crops(tokens_shard(tmp_path / "a", lengths))
        assert source.positions == 0
        assert list(source.cover(4, 8)) == []
        with pytest.raises(MusictkError, match="no music"):
            source.batch(0, 0, 1, 8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 60), max_size=6),
    batch=st.integers(1, 5),
    length=st.integers(1, 20),
    context=st.integers(0, 19),
    frames=st.booleans(),
)
def test_cover_predicts_each_position_once(
    tmp_path: Path, lengths: list[int], batch: int, length: int, context: int, frames: bool
) -> None:
    shard = (frames_shard if frames else tokens_shard)(tmp_path / "a", lengths)
    source = crops(shard)
    found: dict[int, list[int]] = {}
    for item in source.cover(batch, length, min(context, length - 1)):
        for row, piece in enumerate(item.pieces.tolist()):
            places = item.starts[row] + np.flatnonzero(item.mask[row])
            found.setdefault(piece, []).extend(places.tolist())
            targets = item.targets[row][item.mask[row]]
            ends = [] if frames else [[2]]
            whole = np.concatenate([shard.piece(piece), *ends])
            assert np.array_equal(targets, whole[places])
    extra = 0 if frames else 1
    expected = {p: list(range(n + extra)) for p, n in enumerate(lengths) if n}
    assert found == expected
    assert source.positions == sum(len(places) for places in expected.values())


@pytest.mark.parametrize(("most", "rows"), [(0, 7), (7, 7), (9, 7), (5, 5), (1, 1)])
def test_cover_builds_as_many_batches_as_asked_for(tmp_path: Path, most: int, rows: int) -> None:
    """Of seven, evenly spread and the first among them."""
    source = crops(tokens_shard(tmp_path / "a", [7 * 8 - 1]))
    found = [item.starts[0] // 8 for item in source.cover(1, 8, most=most)]
    assert found == [number * 7 // rows for number in range(rows)]


def test_augmentation_moves_the_crop_and_is_recorded(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a", [80])
    augment = Augment(Plain(Tokens(1000)), AugmentSettings(transpose=3))
    batch = crops(shard, augment=augment).batch(0, 0, 64, 8)
    assert set(batch.shifts.tolist()) == set(range(-3, 4))
    plain = crops(shard).batch(0, 0, 64, 8)
    moved = plain.inputs > 2  # not pad, bos and eos
    expected = plain.inputs + batch.shifts[:, None] * moved
    assert np.array_equal(batch.inputs, expected)
    assert np.array_equal(batch.starts, plain.starts)
    again = crops(shard, augment=augment).batch(0, 0, 64, 8)
    assert equal(batch, again)
    covered = next(crops(shard, augment=augment).cover(1, 8))
    assert covered.inputs[0].tolist() == [1, *range(3, 10)]
