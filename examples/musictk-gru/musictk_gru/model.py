"""Gated recurrent units (Cho et al. 2014, arXiv 1406.1078) with residual connections."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musictk.model.contract import Architecture


@dataclass(frozen=True)
class GRUConfig:
    """`heads` is required of every architecture; a recurrent one ignores it."""

    dim: int = 512
    depth: int = 3
    heads: int = 1
    dropout: float = 0.1
    max_length: int = 65_536  # any number works: the state does not grow


class GRU(Architecture):
    """A stack of layers, each x + gru(norm(x)).

    State: one hidden vector per layer, (B, depth, D). It has no position and no cache, so
    `capacity` is ignored, and training, prefill and stepping are the same call.
    """

    Config = GRUConfig
    name = "gru"

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config)
        self.dim, self.depth, self.max_length = config.dim, config.depth, config.max_length
        self.layers = nn.ModuleList(Layer(config.dim) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        return [self.norm.weight.new_zeros(batch, self.depth, self.dim)]

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        after: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            y, hidden = layer(x, state[0][:, index])
            x = x + self.dropout(y)
            after.append(hidden)
        return self.norm(x), [torch.stack(after, 1)]


class Layer(nn.Module):
    """One recurrent layer: (B, T, D) and hidden (B, D) -> the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.gru = nn.GRU(dim, dim, batch_first=True)

    def forward(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(x)
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            exporting = torch.onnx.is_in_onnx_export()
            if exporting:
                return self._as_onnx(x, hidden)
        y, last = self.gru(x, hidden.unsqueeze(0).contiguous())
        return y, last[0]

    @torch.jit.unused
    def _as_onnx(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The GRU node of ONNX, as torch.export would make T a constant.

        torch orders the gates reset, update, new; ONNX orders them update, reset, new.
        """
        batch, length, dim = x.shape
        gates = [weight.reshape(3, dim, -1) for weight in self.gru.parameters()]
        w, r, *biases = (torch.cat([gate[1], gate[0], gate[2]]) for gate in gates)
        bias = torch.cat(biases).flatten()
        y, last = torch.onnx.ops.symbolic_multi_out(
            "::GRU",
            (x.transpose(0, 1), w[None], r[None], bias[None], None, hidden[None]),
            attrs={"hidden_size": dim, "linear_before_reset": 1},
            dtypes=(x.dtype, x.dtype),
            shapes=((length, 1, batch, dim), (1, batch, dim)),
        )
        return y[:, 0].transpose(0, 1), last[0]
