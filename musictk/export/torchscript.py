"""Write the cached step as TorchScript."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from musictk.export.report import ExportListener, ExportReport, Silent
from musictk.export.writing import write_export
from musictk.files import writing
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.runtime.torchscript import MODEL


def export_torchscript(
    source: Path, target: Path, listener: ExportListener | None = None
) -> ExportReport:
    """Export the checkpoint in `source` to the directory `target`, its step in `model.ts`.

    Raises MusictkError, and leaves nothing, where the replay finds that it plays otherwise.
    """
    return write_export(source, target, "torchscript", "torchscript", _write, listener or Silent())


def _write(network: Network, manifest: Manifest, directory: Path) -> None:
    with warnings.catch_warnings():  # deprecated, not removed: 2.11 to 2.13 all run it
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(network)
        with writing(directory / MODEL, RuntimeError):  # which is what its writer in C++ raises
            scripted.save(str(directory / MODEL))  # type: ignore[no-untyped-call]
