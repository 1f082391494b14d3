"""Run a bundle with torch, TorchScript or ONNX Runtime, behind one small protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from musictk.errors import MusictkError, UnknownNameError
from musictk.model.manifest import WEIGHTS, Manifest
from musictk.runtime.contract import CapacityError, Runtime, Session

__all__ = ["CapacityError", "EngineName", "Runtime", "Session", "choose", "load"]

EngineName = Literal["torch", "torchscript", "onnx"]
# What an engine runs, and how to get it, in the order of preference.
FILES = {
    "onnx": ("model.onnx", "run `musictk export --onnx`"),
    "torchscript": ("model.ts", "run `musictk export --torchscript`"),
    "torch": (WEIGHTS, "name the run that was exported, or its directory"),
}


def load(
    directory: Path,
    engine: EngineName | None = None,
    threads: int | None = None,
    device: Literal["cpu", "cuda"] | None = None,
) -> Runtime:
    """Load the bundle in `directory`, by default with the engine it was made for, on a GPU if any.

    TorchScript is a program: it is run only where `engine` asks for it. One thread serves one
    stream best on a CPU that others share; `threads` overrides. Only "torch" and "torchscript"
    import torch. Raises MusictkError saying what the directory holds instead.
    """
    return _open(directory, choose(directory, engine), threads or 1, device)


def choose(directory: Path, engine: str | None = None) -> str:
    """The engine that `load` takes; raises MusictkError as it does. Runs and loads nothing."""
    if engine is not None and engine not in FILES:
        raise UnknownNameError("runtime", engine, FILES)
    held = engines(directory)
    if not held:
        raise MusictkError(f"{directory} holds no model", "name a run, an export or a bundle")
    if engine is None:
        harmless = [name for name in held if name != "torchscript"]
        if not harmless:
            raise MusictkError(
                f"{directory} holds only TorchScript, which is a program and is not run unasked",
                "add --runtime torchscript if you trust whoever made it",
            )
        return harmless[0]
    if engine not in held:
        raise MusictkError(
            f"{directory} holds {' and '.join(held)}, not {engine}",
            f"leave --runtime out, choose --runtime {held[0]}, or {FILES[engine][1]}",
        )
    return engine


def engines(directory: Path) -> list[str]:
    """The engines that could run what lies in `directory`."""
    held = [name for name, (file, _) in FILES.items() if (directory / file).is_file()]
    if len(held) > 1 and "torch" in held and not _has_network(directory / WEIGHTS):
        held.remove("torch")
    return held


def _has_network(weights: Path) -> bool:
    """Whether a network's weights are here: an export keeps tables and initial states only."""
    try:
        with safe_open(str(weights), "numpy") as tensors:
            return any(not name.startswith(("tables.", "state.")) for name in tensors.keys())  # noqa: SIM118
    except (SafetensorError, OSError):
        return True  # whoever loads it says what is wrong with it


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
