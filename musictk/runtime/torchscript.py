"""Run a bundle's TorchScript file: PyTorch without musictk's model code.

A TorchScript file is a program. Load only files from a source that you trust.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

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
                self.network = torch.jit.freeze(scripted.eval(), ["begin"])
        except RuntimeError as error:
            raise MusictkError(
                f"{path} cannot be loaded: {error}", "run `musictk export --torchscript` again"
            ) from error
