"""The network: stem, conditions, backbone (`body`) and head. Any backbone works with any space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musictk.config import check_settings, setting
from musictk.controls import NO_CONTROLS, Controls
from musictk.model.contract import Architecture
from musictk.model.renames import rename_when_loading
from musictk.tokens import Frames, Space

_SOUNDING = 4  # typical number of pitches in a frame, for the initial scale and bias of frames


@dataclass(frozen=True)
class NetworkConfig:
    """Settings of the parts around the backbone.

    Condition vectors are drawn with a standard deviation of `condition_scale` times the backbone's
    `input_std`, that of token embeddings. The scale applies to initialisation only: vectors are
    added unscaled, and training may change their length.
    """

    tied: bool = setting(
        False, "Share weights between the token embedding and the output layer (weight tying)."
    )
    condition_scale: float = setting(
        0.25, "Initial standard deviation of label embeddings, relative to token embeddings."
    )
    condition_logits: bool = setting(
        True, "Add a linear function of labels and bar controls to the logits, too."
    )

    def __post_init__(self) -> None:
        check_settings(self, "network")


class TokenStem(nn.Module):
    """(B, T) ids -> (B, T, D)."""

    def __init__(self, size: int, dim: int, std: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, dim)
        nn.init.normal_(self.embedding.weight, std=std)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.embedding(sequence)


class FrameStem(nn.Module):
    """(B, T, W) zeros and ones -> (B, T, D), with about unit variance."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim)
        nn.init.normal_(self.linear.weight, std=_SOUNDING**-0.5)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.linear(sequence.to(self.linear.weight.dtype))


class Head(nn.Module):
    """(B, T, D) -> (B, T, V) logits: of a softmax over tokens, or of one Bernoulli per pitch.

    For `frames` the bias starts at the log-odds of a few sounding pitches.
    """

    def __init__(self, dim: int, size: int, scale: float, frames: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, size, bias=frames)
        self.scale = scale
        if frames:
            odds = _SOUNDING / max(size - _SOUNDING, 1)
            nn.init.constant_(self.linear.bias, math.log(odds))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(x) * self.scale)


class ConditionLogits(nn.Module):
    """(B, T, D) conditions -> (B, T, V) their share of the logits; 0 at first."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, size, bias=False)
        nn.init.zeros_(self.linear.weight)
        # With 4 a model learns five times as much from chords as without this path, and half as
        # much again as with 1; an optimizer's steps do not depend on the size of gradients.
        self.scale = 4.0

    def forward(self, condition: Tensor) -> Tensor:
        return self.linear(condition * self.scale)


class Network(nn.Module):
    """Stem + conditions + body + head: the one forward pass of training and generation.

    `conditions` maps each category to its number of vectors, `controls` are facts about each bar;
    `condition` turns the ids of both into a vector for each position, which `forward` adds to the
    input, and after a linear layer to the logits. Id 0 is 'not given'.
    """

    def __init__(
        self,
        body: Architecture,
        space: Space,
        conditions: Mapping[str, int],
        config: NetworkConfig,
        controls: Controls = NO_CONTROLS,
    ) -> None:
        super().__init__()
        frames = isinstance(space, Frames)
        size = space.classes
        tied = config.tied and not frames
        self.stem = (
            FrameStem(size, body.dim) if frames else TokenStem(size, body.dim, body.input_std)
        )
        self.tables = nn.ModuleList(
            nn.Embedding(labels, body.dim) for labels in conditions.values()
        )
        self.body = body
        # Logits have about unit variance, also if they are products with embeddings.
        scale = body.dim**-0.5 / body.input_std if tied else 1.0
        self.head = Head(body.dim, size, scale, frames)
        if tied and isinstance(self.stem, TokenStem):
            self.head.linear.weight = self.stem.embedding.weight
        self.register_load_state_dict_pre_hook(rename_when_loading)  # type: ignore[no-untyped-call]
        std = config.condition_scale * body.input_std
        for table in self.tables:
            nn.init.normal_(table.get_parameter("weight"), std=std)
        # Made last and of zeros: a network starts as it would without controls.
        self.controls: nn.Embedding | None = None
        self.condition_logits: ConditionLogits | None = None
        if config.condition_logits and (conditions or controls):
            self.condition_logits = ConditionLogits(body.dim, size)
        features = controls.features
        if controls:
            count = features.shape[1]
            self.controls = nn.Embedding(count, body.dim, _weight=torch.zeros(count, body.dim))
        self.features: Tensor
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.from_numpy(controls.offsets), persistent=False)

    @torch.jit.export
    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state before the first position, with room for `capacity` positions per row."""
        return self.body.begin(batch, capacity)

    def forward(
        self, sequence: Tensor, condition: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """`sequence` (B, T) ids or (B, T, W) frames, `condition` (B, T, D) -> (B, T, V) logits.

        A condition (B, 1, D) is that of every position.
        """
        x = self.stem(sequence) + condition
        hidden, state = self.body(x, state)
        logits: Tensor = self.head(hidden)
        if self.condition_logits is not None:
            logits = logits + self.condition_logits(condition)
        return logits, state

    @torch.jit.unused
    def condition(
        self, ids: Tensor, controls: Tensor | None = None, bars: Tensor | None = None
    ) -> Tensor:
        """(B, K) ids of labels, (B, N, S) ids of bars, (B, T) the bar of each position.

        Returns the sum of their vectors, (B, T, D). Without bars no control is given, and the
        result is that of every position, (B, 1, D).
        """
        total = torch.zeros(ids.shape[0], 1, self.body.dim, device=ids.device)
        for k, table in enumerate(self.tables):
            total = total + table(ids[:, k : k + 1])
        if self.controls is None:
            return total
        if controls is None or bars is None:
            return total
        rows, count, width = controls.shape
        # What is not given has no features, so its vector is 0. The mean, not the sum: optimizers
        # move all vectors of a bar together, and larger steps of their sum disturb the network.
        values = self.features @ self.controls.weight
        vectors = F.embedding(controls + self.offsets, values).sum(2) / width + total
        first = torch.arange(rows, device=bars.device)[:, None] * count
        return F.embedding(bars + first, vectors.flatten(0, 1))


def loss(
    logits: Tensor,
    targets: Tensor,
    space: Space,
    smoothing: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """(B, T) nats per position: cross-entropy of a token, or summed BCE of a frame's pitches.

    0 where the target is `pad` or `mask` (B, T) is False.
    """
    if isinstance(space, Frames):
        each = F.binary_cross_entropy_with_logits(
            logits.float(), targets.to(torch.float32), reduction="none"
        ).sum(-1)
    else:
        each = F.cross_entropy(
            logits.float().flatten(0, 1),
            targets.flatten(),
            ignore_index=space.pad,
            label_smoothing=smoothing,
            reduction="none",
        ).view(targets.shape)
    return each if mask is None else each * mask
