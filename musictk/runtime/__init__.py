"""Run a bundle with torch, TorchScript or ONNX Runtime, behind one small protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from musictk.errors import MusictkError, UnknownNameError
from musictk.model.manifest import Manifest
from musictk.runtime.contract import CapacityError, Runtime, Session

__all__ = ["CapacityError", "EngineName", "Runtime", "Session", "load"]

EngineName = Literal["torch", "torchscript", "onnx"]
# What an engine runs, and how to get it. The first that lies in a directory is the default.
FILES = {
    "onnx": ("model.onnx", "run `musictk export --onnx`"),
    "torchscript": ("model.ts", "run `musictk export --torchscript`"),
    "torch": ("weights.safetensors", "name the directory of a run or an export"),
}


def load(
    directory: Path,
    engine: EngineName | None = None,
    threads: int | None = None,
    device: Literal["cpu", "cuda"] | None = None,
) -> Runtime:
    """Load the bundle in `directory`, by default with the engine it was made for, on a GPU if any.

    One thread serves one stream best on a CPU that others share; `threads` overrides. Only
    "torch" and "torchscript" import torch. Raises MusictkError naming the mend.
    """
    if engine is not None and engine not in FILES:
        raise UnknownNameError("runtime", engine, FILES)
    held = [name for name, (file, _) in FILES.items() if (directory / file).is_file()]
    if not held:
        raise MusictkError(f"{directory} holds no model", FILES["torch"][1])
    if engine == "torch" and len(held) > 1:
        raise MusictkError(
            f"{directory} is an export for {held[0]} and has no weights for torch",
            "leave the runtime out, or name the run that was exported",
        )
    chosen = engine or held[0]
    if chosen not in held:
        raise MusictkError(f"{directory} holds no {FILES[chosen][0]}", FILES[chosen][1])
    return _open(directory, chosen, threads or 1, device)


def _open(directory: Path, engine: str, threads: int, device: str | None) -> Runtime:
    if engine == "torch":
        from musictk.runtime.torch import Torch

        return Torch(directory, threads, device)
    manifest = Manifest.read(directory)
    if engine == "torchscript":
        from musictk.runtime.torchscript import TorchScript

        return TorchScript(directory, manifest, threads, device)
    from musictk.runtime.onnx import Onnx

    return Onnx(directory, manifest, threads, device)
