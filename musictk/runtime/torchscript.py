"""Run a bundle's TorchScript file: PyTorch without musictk's model code.

A TorchScript file is a program. Load only files from a source that you trust.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musictk.errors import MusictkError
from musictk.model.manifest import TORCHSCRIPT, Manifest
from musictk.runtime.torch import TorchEngine

_MESSAGE = 300  # characters of an error of torch, which may print whole tensors


class TorchScript(TorchEngine):
    """A bundle whose step is `model.ts`."""

    name = "torchscript"

    def __init__(
        self, directory: Path, manifest: Manifest, threads: int, device: str | None = None
    ) -> None:
        super().__init__(directory, manifest, threads, device)
        path = directory / TORCHSCRIPT
        try:
            with warnings.catch_warnings():  # deprecated but present in torch 2.11 to 2.13
                warnings.simplefilter("ignore", DeprecationWarning)
                scripted = torch.jit.load(str(path), map_location=self.device)  # type: ignore[no-untyped-call]
                frozen = _frozen(scripted.eval())
                self.network = _Flat(frozen) if manifest.conditioned == "row" else frozen
        except RuntimeError as error:
            raise MusictkError(
                f"{path} cannot be loaded: {str(error)[:_MESSAGE]}",
                "run `musictk export --torchscript` again",
            ) from error


def _frozen(scripted: Any) -> Any:
    """The program with its weights as constants; as it is where layers share weights.

    PyTorch cannot freeze those.
    """
    try:
        return torch.jit.freeze(scripted, ["begin"])
    except RuntimeError as error:
        if "overlap" not in str(error):
            raise
        return scripted


class _Flat:
    """An older export, which takes one condition (B, D) for all positions of a row."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state before the first position."""
        state: list[Tensor] = self._network.begin(batch, capacity)
        return state

    def __call__(
        self, sequence: Tensor, condition: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        result: tuple[Tensor, list[Tensor]] = self._network(sequence, condition[:, 0], state)
        return result
