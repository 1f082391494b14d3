"""The progress and the report of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ExportReport:
    """An export that was written, replayed against eager PyTorch, and timed on one CPU thread."""

    path: Path  # the bundle's directory
    kind: str  # "onnx", "onnx-int8", "onnx-fp16" or "torchscript"
    bytes: int  # of the whole directory, before this report is added to its manifest
    steps: int  # positions replayed
    max_logit_difference: float
    greedy_agreement: float  # share of equal greedy choices, 0 to 1; see `music`
    tokens_per_second: float  # single steps of one row
    eager_tokens_per_second: float
    music: str = ""  # that a rounded model was measured on; empty: the replay of noise
    music_positions: int = 0
    nats_difference: float | None = None  # of `music`, per position: rounded minus original


class ExportListener(Protocol):
    """Receives the progress of an export."""

    def stage(self, name: str) -> None:
        """A stage begins: "writing", "replaying", "measuring" or "timing"."""


class SilentListener:
    """Ignores every event."""

    def stage(self, name: str) -> None:
        """Ignored."""
