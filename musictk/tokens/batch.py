"""Batches of rows to train and score on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.bar_table import Ids


@dataclass(frozen=True)
class Batch:
    """B crops of T positions. Padding is `pad` (frames: empty) and masked out."""

    inputs: NDArray[Any]  # (B, T) int64 | (B, T, width) uint8
    targets: NDArray[Any]  # as the inputs, one position later
    mask: NDArray[np.bool_]  # (B, T) True where the target counts
    conditions: NDArray[np.int64]  # (B, K)
    pieces: NDArray[np.int64]  # (B,) index of each row's piece in the shard
    starts: NDArray[np.int64]  # (B,) the position of the piece at which the row's inputs begin
    shifts: NDArray[np.int64]  # (B,) semitones each row was transposed by
    controls: NDArray[np.int64]  # (B, N, S) ids of the bars of each row; S is 0 without a table
    bars: NDArray[np.int64]  # (B, T) the bar of each position, as an index of the N


@dataclass(frozen=True)
class Row:
    """A row of T positions; `targets` are of the part to write, or not in the mask."""

    inputs: NDArray[Any]  # (T,) | (T, W)
    targets: NDArray[Any]
    mask: NDArray[np.bool_]  # (T,)
    ids: Ids  # (N, S)
    bars: NDArray[np.int64]  # (T,) the bar of each position, as an index of the N
    semitones: int  # that it was transposed by


def replaced(batch: Batch, rows: Sequence[Row | None], pad: int) -> Batch:
    """The batch with these rows in place of its own, padded with `pad`; None keeps a row."""
    found = [(index, row) for index, row in enumerate(rows) if row is not None]
    if not found:
        return batch
    changed = {
        name: getattr(batch, name).copy()
        for name in ("inputs", "targets", "mask", "bars", "shifts")
    }
    count = max(batch.controls.shape[1], *(len(row.ids) for _, row in found))
    controls = np.zeros((len(rows), count, batch.controls.shape[2]), np.int64)
    controls[:, : batch.controls.shape[1]] = batch.controls
    for index, row in found:
        for name, blank in (("inputs", pad), ("targets", pad), ("mask", False), ("bars", 0)):
            own = getattr(row, name)
            changed[name][index] = blank
            changed[name][index, : len(own)] = own
        changed["shifts"][index] = row.semitones
        controls[index] = 0
        controls[index, : len(row.ids)] = row.ids
    return replace(batch, controls=controls, **changed)
