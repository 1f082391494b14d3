"""What is written between given bars has the inputs that such rows have in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.controls import Controls
from musictk.generation.compose import compose
from musictk.generation.draw import nats
from musictk.generation.request import PieceRequest, to_prompt
from musictk.runtime import Runtime
from musictk.tokens.bar_table import BarTable
from musictk.tokens.batch import Batch
from musictk.tokens.crops import Crops
from musictk.tokens.infill import LONGEST
from musictk.tokens.shards import open_shard, write_shard

from .pieces import MIDIS, load_untrained, tokenizer

NAMES = ("remi", "remi with bpe", "events", "pianoroll")
BACH = next(path for path in sorted(MIDIS.rglob("*.mid")) if "Bach" in str(path))
CONTROLS = ["role", "remaining"]  # none that is measured: their facts depend on what is written


def model(name: str) -> Runtime:
    made = tokenizer(name)
    return load_untrained(made, controls=Controls.available(made, CONTROLS))


def bars_of(name: str, first: int, stop: int) -> NDArray[Any]:
    """Some bars of a piece."""
    made = tokenizer(name)
    whole = made.encode(ScoreTick.from_file(BACH))
    ends = [*made.bar_starts(whole).tolist(), len(whole)]
    return whole[ends[first] : ends[stop]]


def request(past: NDArray[Any], bars: int, after: NDArray[Any], **more: Any) -> PieceRequest:
    asked = {"prompt": to_prompt(past), "after": to_prompt(after), "bars": bars, "whole": True}
    return PieceRequest.read({**asked, "seed": 3, **more})


def training_row(
    name: str, folder: Path, piece: NDArray[Any], bars: int, given: int
) -> tuple[Batch, int]:
    """A row of training that is the whole piece, with so many bars moved and given at its end."""
    made = tokenizer(name)
    controls = Controls.available(made, CONTROLS)
    write_shard(folder / "shard", made, [(1, piece)])
    starts = made.bar_starts(piece)
    ids = np.zeros((len(starts), controls.width), np.uint8)
    table = BarTable(np.array([0, len(starts)]), starts, ids, lambda each, semitones: each)
    conditions, weights = np.zeros((1, 1), np.int64), np.ones(1)
    shard = open_shard(folder / "shard")
    rows = Crops(shard, conditions, weights, bars=table, infill=controls.infill(1.0))
    role, left = (controls.columns[each].start for each in CONTROLS)
    for step in range(60):
        batch = rows.batch(1, step, 16, rows.positions)
        for row in np.flatnonzero(batch.mask.all(1) & (batch.starts == 0)).tolist():
            found = batch.controls[row]
            if found[:, left].max() == bars and (found[:, role] > 0).sum() == given:
                return batch, row
    raise AssertionError("training has no such row")


@pytest.mark.parametrize("place", [(3, 2, 2), (0, 2, 3), (1, 1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_bars_are_written_as_training_reads_them(
    name: str, place: tuple[int, int, int], tmp_path: Path
) -> None:
    first, bars, given = place
    made, runtime = tokenizer(name), model(name)
    past, after = bars_of(name, 0, first), bars_of(name, first + bars, first + bars + given)
    (piece,) = compose(runtime, made, request(past, bars, after), scored=True)
    written = piece.sequence[len(past) :]
    whole = np.concatenate([piece.sequence, after])
    batch, row = training_row(name, tmp_path, whole, bars, given)
    at = slice(-len(written), None) if whole.ndim > 1 else slice(-len(written) - 1, -1)
    assert np.array_equal(batch.targets[row][at], written)
    none: list[list[tuple[int, float]]] = [[] for _ in runtime.manifest.conditions.labels]
    condition = runtime.condition(none) + runtime.control(batch.controls[row].astype(np.uint8))
    session = runtime.begin(1, batch.inputs.shape[1])
    logits = session.step(batch.inputs[row][None], condition[batch.bars[row]][None])[0]
    each = [nats(*pair) for pair in zip(logits[at], written, strict=True)]
    assert piece.nats == pytest.approx(np.mean(each), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_bars_far_from_what_follows_are_a_continuation(name: str) -> None:
    """They are written without it; the last ones, as many as in training, are given it."""
    made, runtime = tokenizer(name), model(name)
    past, far = bars_of(name, 0, 2), 3
    pieces = [
        compose(runtime, made, request(past, bars, after, sampling={"memory": 160}), scored=True)[0]
        for bars, after in [
            (LONGEST + far, bars_of(name, 6, 8)),
            (LONGEST + far, bars_of(name, 10, 12)),
            (LONGEST + far + 1, past[:0]),
        ]
    ]
    starts = [made.bar_starts(piece.sequence) for piece in pieces]
    assert [len(each) for each in starts] == [2 + LONGEST + far + more for more in (0, 0, 1)]
    until = int(starts[0][2 + far])
    for piece in pieces[1:]:
        assert np.array_equal(piece.sequence[:until], pieces[0].sequence[:until])
    assert pieces[1].nats != pieces[0].nats
