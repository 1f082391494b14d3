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
from musictk.model.manifest import Manifest
from musictk.runtime.torch import TorchEngine

MODEL = "model.ts"


class TorchScript(TorchEngine):
    """A bundle whose step is `model.ts`."""

    name = "torchscript"

    def __init__(
        self, directory: Path, manifest: Manifest, threads: int, device: str | None = None
    ) -> None:
        super().__init__(directory, manifest, threads, device)
        path = directory / MODEL
        try:
            with warnings.catch_warnings():  # deprecated but present in torch 2.11 to 2.13
                warnings.simplefilter("ignore", DeprecationWarning)
                scripted = torch.jit.load(str(path), map_location=self.device)  # type: ignore[no-untyped-call]
                frozen = torch.jit.freeze(scripted.eval(), ["begin"])
                self.network = _Flat(frozen) if manifest.conditioned == "row" else frozen
        except RuntimeError as error:
            raise MusictkError(
                f"{path} cannot be loaded: {error}", "run `musictk export --torchscript` again"
            ) from error


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
