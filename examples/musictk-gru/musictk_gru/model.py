"""Gated recurrent units (Cho et al. 2014) with a residual stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from musictk.model.contract import Architecture
from torch import Tensor, nn


@dataclass(frozen=True)
class GRUConfig:
    """`heads` is a name that every architecture has; a recurrent one has none."""

    dim: int = 512
    depth: int = 3
    heads: int = 1
    dropout: float = 0.1
    max_length: int = 65_536  # any number would do: the state does not grow


class GRU(Architecture):
    """Each layer adds to the stream: x + gru(norm(x)).

    State: one hidden vector per layer, (B, depth, D). There is no position and no past to keep, so
    `capacity` changes nothing, and training, prefill and stepping are the same call.
    """

    Config = GRUConfig
    name = "gru"

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config)
        self.dim, self.depth, self.max_length = config.dim, config.depth, config.max_length
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(config.depth))
        self.layers = nn.ModuleList(
            nn.GRU(config.dim, config.dim, batch_first=True) for _ in range(config.depth)
        )
        self.dropout = nn.Dropout(config.dropout)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        return [self.norms[0].weight.new_zeros(batch, self.depth, self.dim)]

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        after: list[Tensor] = []
        for index, (norm, layer) in enumerate(zip(self.norms, self.layers)):
            hidden = state[0][:, index].unsqueeze(0).contiguous()  # (1, B, D)
            y, hidden = layer(norm(x), hidden)
            x = x + self.dropout(y)
            after.append(hidden[0])
        return x, [torch.stack(after, 1)]
