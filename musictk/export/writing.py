"""What both kinds of export share: stage, write, replay, refuse or report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from musictk.errors import MusictkError
from musictk.export.replay import replay, speeds
from musictk.export.report import ExportReport, Listener
from musictk.export.staging import staged_export
from musictk.files import atomic
from musictk.model.bundle import with_progress
from musictk.model.manifest import WEIGHTS, Manifest
from musictk.model.network import Network
from musictk.runtime import EngineName, load
from musictk.runtime.torch import Torch

EXACT = 1e-4  # the most a logit may move where nothing was rounded
ROUNDED = 0.5  # greedy agreement below which a rounded model is no longer the same model


def write_export(
    source: Path,
    target: Path,
    engine: EngineName,
    kind: str,
    write: Callable[[Network, Manifest, Path], None],
    listener: Listener,
) -> ExportReport:
    """Export the checkpoint in `source` to the directory `target`; refuse one that plays otherwise.

    `write` puts the engine's file into a directory. The bundle's `weights.safetensors` keeps only
    what the engine's file lacks: condition tables, and initial states that are not zero.
    """
    reference = Torch(source, threads=1, device="cpu")
    network, manifest = reference.network, reference.manifest
    with staged_export(target) as directory:
        listener.stage("writing")
        try:
            write(network, manifest, directory)
        except (MusictkError, OSError):
            raise
        except Exception as error:  # torch's exporters raise whatever stopped them
            raise MusictkError(
                f"architecture {manifest.architecture!r} cannot be exported as {kind}: {error}",
                "let its begin and forward compile with torch.jit.script and torch.export",
            ) from error
        _write_tables(network, directory / WEIGHTS)
        manifest.write(directory)
        candidate = load(directory, engine, device="cpu")
        listener.stage("replaying")
        exact = kind in ("onnx", "torchscript")
        replayed = replay(candidate, reference, EXACT)
        if replayed.agreement < (1 if exact else ROUNDED) or (
            exact and not replayed.difference <= EXACT
        ):
            raise MusictkError(
                f"the {kind} export of {source} plays otherwise than the model: logits differ by "
                f"up to {replayed.difference:.2g}, greedy choices agree to "
                f"{100 * replayed.agreement:.1f} %; nothing was kept",
                "export in another format, or report this with the manifest.json of the run",
            )
        listener.stage("timing")
        speed, eager = speeds([candidate, reference])
        report = ExportReport(
            path=target,
            kind=kind,
            bytes=sum(file.stat().st_size for file in directory.iterdir()),
            steps=replayed.steps,
            max_logit_difference=replayed.difference,
            greedy_agreement=replayed.agreement,
            tokens_per_second=speed,
            eager_tokens_per_second=eager,
        )
        said = {key: value for key, value in asdict(report).items() if key != "path"}
        with_progress(manifest, export=said).write(directory)
    return report


def _write_tables(network: Network, path: Path) -> None:
    tensors = {f"tables.{name}": value for name, value in network.tables.state_dict().items()}
    for slot, value in enumerate(network.begin(1, 1)):
        if bool(value.any()):
            tensors[f"state.{slot}"] = value
    with atomic(path, SafetensorError) as temporary:
        save_file(tensors, str(temporary))
