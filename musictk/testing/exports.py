"""Check the parity law: PyTorch, TorchScript and ONNX Runtime give the same results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musictk.export import export_onnx, export_torchscript
from musictk.export.replay import replay_all
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.network import Network, NetworkConfig
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.runtime import load
from musictk.tokens import Piece, Space, Tokenizer

STEPS = 1024
TOLERANCE = 1e-4
CONDITIONS = Conditions({"composer": ("", "OTHER", "Bach")}, {"composer": ()})
RUNTIMES = ("torchscript", "onnx")


def check_parity(architecture: str, space: Space, directory: Path, **config: Any) -> None:
    """Export an untrained `architecture` both ways; compare 1,024 greedy steps on three runtimes.

    Both exports must make the same greedy choices and keep logits within 1e-4, at a length and a
    batch size that differ from the export's example input. `architecture` is a registered name,
    `config` some of its settings; `directory` is written to. Raises AssertionError, or the error of
    the export.
    """
    source = directory / "torch"
    write_untrained(source, architecture, Blank(space), **{"max_length": STEPS + 8} | config)
    export_torchscript(source, directory / "torchscript")
    export_onnx(source, directory / "onnx")
    reference = load(source, "torch", device="cpu")
    candidates = [load(directory / name, name, device="cpu") for name in RUNTIMES]
    script = (2, (5,), STEPS)
    found = replay_all(candidates, reference, TOLERANCE, seed=1, scripts=(script,))
    for name, played in zip(RUNTIMES, found, strict=True):
        assert played.steps >= STEPS, f"{architecture} has no room for {STEPS} steps"
        assert played.difference <= TOLERANCE, f"{name}: {played}"
        assert played.agreement == 1, f"{name}: {played}"


def write_untrained(
    directory: Path, architecture: str, tokenizer: Tokenizer, **config: Any
) -> None:
    """Write the bundle of an untrained network, with fixed random weights, into `directory`."""
    torch.manual_seed(0)
    kind = registry().load("architecture", architecture)
    body = make_component(kind, config)
    settings = NetworkConfig()
    network = Network(body, tokenizer.space, CONDITIONS.sizes, settings)
    bundle.write(directory, network, bundle.describe(network, tokenizer, CONDITIONS, settings))


class Blank(Tokenizer):
    """A tokenizer that encodes nothing, for a law that needs only a space."""

    @dataclass(frozen=True)
    class Config:
        """No settings."""

    name = "blank"

    def __init__(self, space: Space) -> None:
        super().__init__(Blank.Config())
        self.space = space

    def encode(self, piece: Piece) -> NDArray[Any]:
        raise ValueError("a blank tokenizer represents no piece")

    def decode(self, sequence: NDArray[Any]) -> Piece:
        return ""

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.zeros(0, np.int64)
