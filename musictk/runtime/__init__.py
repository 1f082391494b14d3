"""Run a bundle with torch, TorchScript, ONNX Runtime or a plugin's runtime."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from musictk.errors import MusictkError
from musictk.plugin import registry
from musictk.runtime.contract import CapacityError, Loader, Runtime, Session

BUNDLE = "name the directory of an export, or one such as runs/RUN/best"

__all__ = [
    "CapacityError",
    "Loader",
    "Runtime",
    "Session",
    "available",
    "choose",
    "find_loader",
    "load",
]


def load(
    directory: Path,
    runtime: str | None = None,
    threads: int | None = None,
    device: Literal["cpu", "cuda"] | None = None,
) -> Runtime:
    """Load the bundle in `directory`, by default with the runtime it was exported for.

    It runs on a GPU if there is one, unless `device` is "cpu". A runtime that executes programs
    (TorchScript) is used only if `runtime` names it. `threads` defaults to 1, which is the fastest
    for one session on a shared CPU. Of the built-in runtimes only "torch" and "torchscript" import
    torch. Raises MusictkError if the directory has no model for the runtime, UnknownNameError if
    there is no such runtime.
    """
    return find_loader(choose(directory, runtime)).load(directory, threads or 1, device)


def choose(directory: Path, runtime: str | None = None) -> str:
    """The name of the runtime that `load` uses; raises as it does. Loads no model."""
    wanted = None if runtime is None else find_loader(runtime)
    found = available(directory)
    if not found and not directory.exists():
        raise MusictkError(f"there is no bundle {str(directory)!r}", BUNDLE)
    if not found:
        raise MusictkError(f"{directory} contains no model", _elsewhere(directory))
    if wanted is None:
        harmless = [name for name in found if not find_loader(name).program]
        if not harmless:
            raise MusictkError(
                f"{directory} has only {find_loader(found[0]).program}, which can run any code",
                f"add --runtime {found[0]} if you trust its source",
            )
        return harmless[0]
    if wanted.name not in found:
        raise MusictkError(
            f"{directory} contains {' and '.join(found)}, not {wanted.name}",
            f"leave --runtime out, choose --runtime {found[0]}, or {wanted.hint()}",
        )
    return wanted.name


def available(directory: Path) -> list[str]:
    """The names of the runtimes that can run what is in `directory`, the preferred one first."""
    loaders = []
    for offer in registry().offers("runtime"):
        with suppress(MusictkError):  # a broken plugin is reported when it is used
            loaders.append(find_loader(offer.name))
    loaders.sort(key=lambda loader: (-loader.priority, loader.name))
    found = [loader for loader in loaders if (directory / loader.file).is_file()]
    if len(found) > 1:
        found = [loader for loader in found if not loader.partial(directory)]
    return [loader.name for loader in found]


def find_loader(name: str) -> Loader:
    """The loader of a runtime; raises UnknownNameError with the nearest known name."""
    loader: type[Loader] = registry().load("runtime", name)
    return loader()


def _elsewhere(directory: Path) -> str:
    """A hint at the bundle that was meant by a path that is none."""
    found = [directory.parent] if directory.is_file() and available(directory.parent) else []
    for pattern in ("best", "*", "*/best"):
        found = found or [each for each in sorted(directory.glob(pattern)) if available(each)]
    return f"did you mean {str(found[0])!r}?" if found else BUNDLE
