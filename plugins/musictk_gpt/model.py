"""GPT-2 (Radford et al. 2019), with later findings as options.

The whole forward pass is this file, `musictk/model/decoder.py` (state, loop over the blocks, causal
attention) and `musictk/model/layers.py` (positions, norms, heads, feed-forwards). Shapes: B rows,
T positions, D = `dim`, H heads of Dh = D / H.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from musictk.config import setting
from musictk.model.decoder import CausalAttention, Decoder
from musictk.model.layers import (
    FeedForward,
    Heads,
    LearnedPositions,
    RMSNorm,
    Rotary,
    SwiGLU,
    ValueResidual,
    merge_heads,
)
from musictk.model.sizes import check_backbone


@dataclass(frozen=True)
class GPTConfig:
    """GPT-2 as published; each option is off by default."""

    dim: int = 512
    depth: int = 8
    heads: int = 8
    feedforward: int = 4
    dropout: float = 0.1
    max_length: int = 8192
    rotary: bool = setting(
        False, "Rotary instead of learned position embeddings (Su et al. 2021, arXiv 2104.09864)."
    )
    rmsnorm: bool = setting(
        False, "RMSNorm instead of LayerNorm (Zhang & Sennrich 2019, arXiv 1910.07467)."
    )
    swiglu: bool = setting(
        False, "SwiGLU instead of GELU in the feed-forward layers (Shazeer 2020, arXiv 2002.05202)."
    )
    qk_norm: bool = setting(
        False, "RMSNorm on queries and keys (Henry et al. 2020, arXiv 2010.04245)."
    )
    value_residual: bool = setting(
        False,
        "Mix each layer's values with the first layer's (Zhou et al. 2024, arXiv 2410.17897).",
    )
    history: int = 1
    periods: tuple[int, ...] = ()
    attention_dropout: bool = setting(
        True, "Apply `dropout` to attention weights too, not only to embeddings and layer outputs."
    )

    def __post_init__(self) -> None:
        check_backbone(self, "gpt", even_heads=self.rotary)


class Block(nn.Module):
    """One pre-norm layer: x + attention(norm(x)), then x + feedforward(norm(x))."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        dim, hidden, dropout = config.dim, config.feedforward * config.dim, config.dropout
        norm = RMSNorm if config.rmsnorm else nn.LayerNorm
        self.norm1, self.norm2 = norm(dim), norm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.split = Heads(config.heads, dim // config.heads, config.qk_norm)
        self.value_residual = ValueResidual() if config.value_residual else None
        self.attention = CausalAttention(dropout if config.attention_dropout else 0.0)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.feedforward = (
            SwiGLU(dim, hidden, dropout)
            if config.swiglu
            else FeedForward(dim, hidden, nn.GELU(), dropout)
        )

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        keys: Tensor,
        values: Tensor,
        rotary: Tensor | None,
        first: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """(B, T, D) -> (B, T, D), and the new keys and values (B, H, capacity, Dh)."""
        q, k, v = self.split(self.qkv(self.norm1(x)), rotary)  # (B, H, T, Dh)
        if self.value_residual is not None:
            v, first = self.value_residual(v, first)
        mixed, keys, values = self.attention(q, k, v, position, keys, values)
        x = x + self.dropout(self.out(merge_heads(mixed)))
        return x + self.feedforward(self.norm2(x)), keys, values, first


class GPT(Decoder):
    """A stack of pre-norm blocks with learned or rotary positions."""

    Config = GPTConfig
    name = "gpt"
    input_std = 0.02  # as its other weights; 2.66 against 2.79 nats after 120 steps

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(
            config,
            Block,
            absolute=None if config.rotary else LearnedPositions(config.max_length, config.dim),
            rotary=Rotary(config.dim // config.heads) if config.rotary else None,
        )
        self._initialise(config.depth)

    def _initialise(self, depth: int) -> None:
        """Weights from N(0, 0.02²); biases 0; norms unchanged."""
        for name, weight in self.blocks.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.dim() == 2:
                # Projections into the residual stream are scaled by the number of additions to it.
                into_residual = name.endswith(("down.weight", "out.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5 if into_residual else 0.02)
