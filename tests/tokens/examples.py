"""Shards of a few known sequences, for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Frames, Piece, Space, Tokenizer, Tokens
from musictk.tokens.shards import Shard, open_shard, write_shard


@dataclass(frozen=True)
class Nothing:
    """No settings."""


class Plain(Tokenizer):
    """Encodes nothing: only a space to make shards of."""

    Config = Nothing
    name = "plain"

    def __init__(self, space: Space) -> None:
        super().__init__(Nothing())
        self.space = space

    def encode(self, piece: Piece) -> NDArray[Any]:
        raise ValueError("this tokenizer encodes nothing")

    def decode(self, sequence: NDArray[Any]) -> Piece:
        return ""

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.zeros(0, np.int64)

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        return sequence.astype(np.int64) + semitones


def tokens_shard(path: Path, lengths: list[int], size: int = 1000) -> Shard:
    """Piece p holds the ids 100 p + 3, 100 p + 4, …"""
    pieces = [(10 + p, 100 * p + 3 + np.arange(length)) for p, length in enumerate(lengths)]
    write_shard(path, Plain(Tokens(size)), pieces)
    return open_shard(path)


def frames_shard(path: Path, lengths: list[int], width: int = 128) -> Shard:
    """Random frames."""
    rng = np.random.default_rng(0)
    pieces = [
        (p, (rng.random((length, width)) < 0.2).astype(np.uint8))
        for p, length in enumerate(lengths)
    ]
    write_shard(path, Plain(Frames(width)), pieces)
    return open_shard(path)
