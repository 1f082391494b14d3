"""Causal attention with learned relative positions (Huang et al. 2018, arXiv 1809.04281)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.model.decoder import write
from musictk.model.grouped_query import grouped_query_attention
from musictk.model.layers import positions


class RelativeAttention(nn.Module):
    """softmax((q · k + q · e) / √Dh), with a learned vector e for each head and distance.

    Distances beyond the table share its last vector, so a piece may be longer than the table.
    The state is that of `CausalAttention`.
    """

    def __init__(self, heads: int, head_dim: int, distances: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.scale = head_dim**-0.5
        self.table = nn.Parameter(torch.randn(heads, distances, head_dim) * self.scale)

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, position: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from T new positions to the cached ones and to themselves.

        `q`, `k`, `v` (B, H, T, Dh); `position` (B,) of the first new one in each row; `keys`,
        `values` (B, H, capacity, Dh). Returns (B, H, T, Dh), and the new keys and values.
        """
        length, capacity = q.shape[2], keys.shape[2]
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            exporting = torch.onnx.is_in_onnx_export()
            if exporting:
                index = positions(position, length)
                end: Any = index.max().item() + 1  # int() would make it a constant
                torch._check(end > 0)  # type: ignore[no-untyped-call]
                bias = self.gather(q, index, end)
                return grouped_query_attention(q, k, v, position, keys, values, self.scale, bias)
        if capacity == 0:
            later = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
            bias = self.skew(q).masked_fill(later, float("-inf"))
            return self.attend(q, k, v, bias), keys, values
        index = positions(position, length)
        write(keys, k, index)
        write(values, v, index)
        end = capacity
        if not keys.is_cuda:  # on CUDA, reading the position would stall and break CUDA graphs
            end = int(index.max()) + 1
        later = torch.arange(end, device=q.device) > index[:, None, :, None]
        bias = self.gather(q, index, end).masked_fill(later, float("-inf"))
        past_k, past_v = keys[:, :, :end].to(q.dtype), values[:, :, :end].to(q.dtype)
        return self.attend(q, past_k, past_v, bias), keys, values

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Attention with `bias` (B, H, T, S) added to the scaled logits."""
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout, scale=self.scale
        )

    def skew(self, q: Tensor) -> Tensor:
        """(B, H, L, Dh) -> (B, H, L, L): scaled q_i · e of distance i - j; valid where j <= i.

        Takes O(L · Dh) memory besides its result: a column of padding shifts row i of Q Eᵀ into
        place ("skewing" in the paper).
        """
        length = q.shape[2]
        distance = torch.arange(length - 1, -1, -1, device=q.device)  # of column c: L - 1 - c
        table = self.table[:, distance.clamp(max=self.table.shape[1] - 1)]
        logits = (q * self.scale) @ table.transpose(1, 2)  # (B, H, L, L)
        padded = F.pad(logits, (1, 0)).view(q.shape[0], q.shape[1], length + 1, length)
        return padded[:, :, 1:]

    def gather(self, q: Tensor, index: Tensor, end: int) -> Tensor:
        """(B, H, T, Dh) at `index` (B, T) -> (B, H, T, end): scaled q · e of each distance."""
        logits = (q * self.scale) @ self.table.transpose(1, 2)  # (B, H, T, distances)
        distance = index.unsqueeze(-1) - torch.arange(end, device=q.device)  # (B, T, end)
        distance = distance.clamp(0, self.table.shape[1] - 1).unsqueeze(1)
        return logits.gather(3, distance.expand(-1, q.shape[1], -1, -1))
