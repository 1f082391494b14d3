"""Check the law of training crops: every position of a piece is drawn equally often.

from musictk.testing.crops import check_crops

check_crops(MyTokenizer(MyConfig()), pieces)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from musictk.testing.comparing import encoded
from musictk.tokens import Piece, Tokenizer, Tokens
from musictk.tokens.crops import Crops, Draw
from musictk.tokens.shards import Shard, open_shard, write_shard

LENGTHS = (1, 7, 64)  # of crops
_STEPS, _BATCH = 40, 64
_SIGMAS = 5.0


def check_crops(
    tokenizer: Tokenizer, pieces: Iterable[Piece], lengths: Sequence[int] = LENGTHS
) -> None:
    """Check that every position is drawn equally often, for both values of `draw`.

    `lengths` of crops are tried with pieces shorter and longer than a crop. The first and last
    positions are included: bos (an empty frame) is before position 0, eos is the last position.
    """
    sequences = [encoded(tokenizer, piece) for piece in pieces]
    for length in lengths:
        sizes = [1, length - 1, length, length + 1, 2 * length, 3 * length + length // 2]
        crops = [each[: size or 1] for each, size in zip(cycle(sequences), sizes, strict=False)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shard"
            write_shard(path, tokenizer, enumerate(crops))
            for draw in get_args(Draw):
                check_draws(open_shard(path), draw, length)


def check_draws(shard: Shard, draw: Draw, length: int) -> None:
    """`check_crops` for one shard, one value of `draw` and one length."""
    count = len(shard.files)
    weights = np.asarray(1.0 + np.arange(count) % 3, np.float64)
    crops = Crops(shard, np.zeros((count, 0), np.int64), weights, draw=draw)
    positions = shard.lengths + isinstance(shard.space, Tokens)
    chances = crops.chances(length)
    covered = [_covered(crops, piece, length, positions[piece]) for piece in range(count)]
    if draw == "positions":
        shares = chances * [each.mean() for each in covered] / weights
        what = "a position is likelier in one piece than in another of its weight"
    else:
        shares, what = chances / weights, "a piece is likelier than another of its weight"
    assert np.allclose(shares, shares[0]), what
    expected = [chance * each for chance, each in zip(chances, covered, strict=True)]
    _check_drawn(crops, length, positions, expected)


def _covered(crops: Crops, piece: int, length: int, positions: int) -> NDArray[np.float64]:
    """(P,) the fraction of a piece's crops that contain each of its positions: all equal."""
    starts = crops.starts(piece, length)
    assert (starts > -length).all(), "a crop is before its piece"
    assert (starts < positions).all(), "a crop is after its piece"
    edges = np.zeros(positions + 1, np.int64)
    np.add.at(edges, np.maximum(starts, 0), 1)
    np.add.at(edges, np.minimum(starts + length, positions), -1)
    covered = np.cumsum(edges[:-1])
    assert (covered == covered[0]).all(), (
        f"of {len(starts)} crops of {length}, {covered.min()} to {covered.max()} include a position"
    )
    return covered / len(starts)


def _check_drawn(
    crops: Crops,
    length: int,
    positions: NDArray[np.int64],
    expected: Sequence[NDArray[np.float64]],
) -> None:
    """Check that `batch` draws these crops, about as often as expected."""
    seen = [np.zeros(many, np.int64) for many in positions.tolist()]
    wholes = [_whole(crops.shard, piece) for piece in range(len(positions))]
    allowed = [set(np.maximum(crops.starts(p, length), 0).tolist()) for p in range(len(seen))]
    for step in range(_STEPS):
        batch = crops.batch(0, step, _BATCH, length)
        for row, (piece, start) in enumerate(
            zip(batch.pieces.tolist(), batch.starts.tolist(), strict=True)
        ):
            held = int(batch.mask[row].sum())
            assert start in allowed[piece], f"no crop of piece {piece} begins at {start}"
            assert batch.mask[row, :held].all(), "padding is before music"
            run = wholes[piece][start : start + held + 1]
            assert np.array_equal(batch.inputs[row, :held], run[:-1]), "the inputs differ"
            assert np.array_equal(batch.targets[row, :held], run[1:]), "the targets differ"
            seen[piece][start : start + held] += 1
    rows = _STEPS * _BATCH
    for piece, (found, chance) in enumerate(zip(seen, expected, strict=True)):
        bound = _SIGMAS * np.sqrt(rows * chance) + _SIGMAS
        assert (np.abs(found - rows * chance) <= bound).all(), (
            f"positions of piece {piece} are drawn {found.min()} to {found.max()} times,"
            f" not {rows * chance[0]:.0f}"
        )


def _whole(shard: Shard, piece: int) -> NDArray[Any]:
    """A piece with bos (or an empty frame) before it, and for tokens eos after it."""
    space, sequence = shard.space, shard.piece(piece)
    parts = [space.start(1)[0], sequence]
    if isinstance(space, Tokens):
        parts.append(np.array([space.eos]))
    return np.concatenate(parts)
