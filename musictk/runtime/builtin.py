"""The loaders of the built-in runtimes. Free of torch and onnxruntime until `load` is called."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from musictk.model.manifest import CONDITION_WEIGHTS, ONNX, TORCHSCRIPT, WEIGHTS, Manifest
from musictk.runtime.contract import Loader, Runtime


class OnnxLoader(Loader):
    """`model.onnx`, with ONNX Runtime."""

    name = "onnx"
    file = ONNX

    def hint(self, run: str = "") -> str:
        return _export("--onnx", run)

    def load(self, directory: Path, threads: int, device: str | None) -> Runtime:
        from musictk.runtime.onnx import Onnx

        return Onnx(directory, Manifest.read(directory), threads, device)


class TorchScriptLoader(Loader):
    """`model.ts`, with PyTorch but without musictk's model code."""

    name = "torchscript"
    file = TORCHSCRIPT
    program = "TorchScript"

    def hint(self, run: str = "") -> str:
        return _export("--torchscript", run)

    def load(self, directory: Path, threads: int, device: str | None) -> Runtime:
        from musictk.runtime.torchscript import TorchScript

        return TorchScript(directory, Manifest.read(directory), threads, device)


class TorchLoader(Loader):
    """The weights themselves, with eager PyTorch."""

    name = "torch"
    file = WEIGHTS
    priority = -1

    def hint(self, run: str = "") -> str:
        return "name the run that was exported, or its directory"

    def partial(self, directory: Path) -> bool:
        """An export keeps only the weights of conditions and initial states there."""
        try:
            with safe_open(str(directory / WEIGHTS), "numpy") as weights:
                names = weights.keys()
                return all(name.startswith((*CONDITION_WEIGHTS, "state.")) for name in names)
        except (SafetensorError, OSError):
            return False  # loading it reports what is wrong with the file

    def load(self, directory: Path, threads: int, device: str | None) -> Runtime:
        from musictk.runtime.torch import Torch

        return Torch(directory, threads, device)


def _export(flag: str, run: str) -> str:
    return f"run `musictk export {flag}{f' --run {run}' if run else ''}`"
