"""What an export says of itself, while it runs and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ExportReport:
    """An export that was written, replayed against eager PyTorch, and timed on one CPU thread."""

    path: Path  # the bundle's directory
    kind: str  # "onnx", "onnx-int8", "onnx-fp16" or "torchscript"
    bytes: int  # of the whole directory
    steps: int  # positions replayed
    max_logit_difference: float
    greedy_agreement: float  # share of greedy choices that were the same, 0 … 1; see `music`
    tokens_per_second: float  # single steps of one row
    eager_tokens_per_second: float
    music: str = ""  # what a rounded model was measured on; empty: the replay of noise
    music_positions: int = 0
    nats_difference: float | None = None  # what rounding adds to the nats of a position of it


class ExportListener(Protocol):
    """Told what an export is doing."""

    def stage(self, name: str) -> None:
        """A stage begins: "writing", "replaying", "measuring" or "timing"."""


class Silent:
    """A listener that wants to know nothing."""

    def stage(self, name: str) -> None:
        """Nothing is done."""
