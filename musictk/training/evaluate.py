"""Held-out nats, piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musictk.model.network import Network
from musictk.tokens.windows import Batch, Windows
from musictk.training.objective import Objective

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Scores:
    """What each piece of a split cost; a piece that was not looked at has 0 positions."""

    nats: NDArray[np.float64]  # (P,)
    positions: NDArray[np.int64]  # (P,) tokens (with eos) or frames

    @property
    def mean(self) -> float:
        """Nats per position over all pieces together."""
        return float(self.nats.sum() / max(int(self.positions.sum()), 1))


def nll(
    network: Network,
    windows: Windows,
    batch: int,
    length: int,
    device: torch.device | str | None = None,
    *,
    context: int = 0,
    batches: int = 0,
    precision: str = "fp32",
) -> Scores:
    """Score every position of every piece once, in windows of `length`.

    All but a piece's first window repeat `context` positions that were scored before, so each is
    predicted from at least that many. `batches` > 0 scores only so many batches, evenly spread.
    """
    where = torch.device(device) if device else next(network.parameters()).device
    training = network.training
    objective = Objective(network, windows.shard.space).to(where).eval()
    try:
        return score(objective, windows, batch, length, where, context, batches, precision)
    finally:
        network.train(training)


@torch.no_grad()
def score(
    objective: Callable[..., Tensor],
    windows: Windows,
    batch: int,
    length: int,
    device: torch.device,
    context: int = 0,
    batches: int = 0,
    precision: str = "fp32",
) -> Scores:
    """`nll` of anything that turns a batch into (B, T) nats; it must be in evaluation mode."""
    pieces = len(windows.shard.files)
    nats, positions = np.zeros(pieces), np.zeros(pieces, np.int64)
    stride = _stride(windows, batch, length, context, batches)
    for part in islice(windows.cover(batch, length, context), 0, None, stride):
        with autocast(device, precision):
            each = objective(*tensors(part, device))
        np.add.at(nats, part.pieces, each.sum(1).double().cpu().numpy())
        np.add.at(positions, part.pieces, part.mask.sum(1))
    return Scores(nats, positions)


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, targets, mask and conditions on the device."""

    def move(array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if device.type == "cuda":
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor

    return move(batch.inputs), move(batch.targets), move(batch.mask), move(batch.conditions)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Automatic mixed precision, off for fp32."""
    dtype = DTYPES.get(precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def _stride(windows: Windows, batch: int, length: int, context: int, batches: int) -> int:
    """Take every so-manyth batch of `cover` to keep to `batches`."""
    lengths = windows.shard.lengths
    later = np.maximum(lengths[lengths > 0] + 1 - length, 0)
    rows = int((1 + -(-later // (length - context))).sum())
    total = -(-rows // batch)
    return max(-(-total // batches), 1) if batches else 1
