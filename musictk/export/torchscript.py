"""Write the cached step as TorchScript."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from musictk.export.report import ExportListener, ExportReport, SilentListener
from musictk.export.writing import Written, write_export
from musictk.files import writing
from musictk.model.manifest import TORCHSCRIPT, Manifest
from musictk.model.network import Network


def export_torchscript(
    source: Path, target: Path, listener: ExportListener | None = None
) -> ExportReport:
    """Export the checkpoint in `source` to the directory `target`, its step in `model.ts`.

    Raises MusictkError, and leaves nothing, if its logits differ from the original's.
    """
    return write_export(
        source, target, "torchscript", "torchscript", _write, listener or SilentListener()
    )


def _write(network: Network, manifest: Manifest, directory: Path) -> Written:
    with warnings.catch_warnings():  # deprecated but present in torch 2.11 to 2.13
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(network)
        with writing(directory / TORCHSCRIPT, RuntimeError):  # the error of its C++ writer
            scripted.save(str(directory / TORCHSCRIPT))  # type: ignore[no-untyped-call]
    return Written(manifest, network.begin(1, 1))
