"""Validation in nats, piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musictk.model.network import Network
from musictk.tokens.crops import Crops
from musictk.training import bands
from musictk.training.devices import autocast, tensors
from musictk.training.objective import NextPosition


@dataclass(frozen=True)
class Scores:
    """The nats of each piece of a split; a piece that was not scored has 0 positions.

    The last axis is the band of positions in the piece: see `musictk.training.bands`.
    """

    band_nats: NDArray[np.float64]  # (P, B)
    band_positions: NDArray[np.int64]  # (P, B) tokens (with eos) or frames

    @property
    def nats(self) -> NDArray[np.float64]:
        """(P,) nats of each piece."""
        return np.asarray(self.band_nats.sum(1))

    @property
    def positions(self) -> NDArray[np.int64]:
        """(P,) positions of each piece that were scored."""
        return np.asarray(self.band_positions.sum(1))

    @property
    def mean(self) -> float:
        """Nats per position over all pieces together."""
        return float(self.band_nats.sum() / max(int(self.band_positions.sum()), 1))

    @property
    def by_position(self) -> dict[str, float]:
        """Nats per position in each band over all pieces; a band without positions is left out."""
        return bands.means(self.band_nats.sum(0), self.band_positions.sum(0))


def nll(
    network: Network,
    crops: Crops,
    batch: int,
    length: int,
    device: torch.device | str | None = None,
    *,
    context: int = 0,
    batches: int = 0,
) -> Scores:
    """Score every position of every piece once, in crops of `length`.

    All but a piece's first crop repeat `context` positions that were scored before, so each is
    predicted from at least that many. `batches` > 0 scores only that many, evenly spread.
    """
    where = torch.device(device) if device else next(network.parameters()).device
    training = network.training
    objective = NextPosition(network, crops.shard.space).to(where).eval()
    try:
        return score(objective, crops, batch, length, where, context, batches)
    finally:
        network.train(training)


@torch.no_grad()
def score(
    objective: Callable[..., Tensor],
    crops: Crops,
    batch: int,
    length: int,
    device: torch.device,
    context: int = 0,
    batches: int = 0,
    precision: str = "fp32",
) -> Scores:
    """`nll` of any function from a batch to (B, T) nats; a module must be in evaluation mode."""
    shape = len(crops.shard.files), len(bands.NAMES)
    cells = shape[0] * shape[1]  # flat: bincount adds much faster than add.at
    nats, positions = np.zeros(cells), np.zeros(cells, np.int64)
    for part in crops.cover(batch, length, context, batches):
        # Without bar controls: what is scored is plain continuation.
        arrays = (part.inputs, part.targets, part.mask, part.conditions)
        with autocast(device, precision):
            each = objective(*tensors(arrays, device))
        band = bands.of(part.starts[:, None] + np.arange(length))
        cell = (part.pieces[:, None] * shape[1] + band)[part.mask]
        nats += np.bincount(cell, each.double().cpu().numpy()[part.mask], cells)
        positions += np.bincount(cell, minlength=cells)
    return Scores(nats.reshape(shape), positions.reshape(shape))
