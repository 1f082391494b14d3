"""The common part of all exports: stage, write, compare, then refuse or report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from musictk.errors import MusictkError
from musictk.export.failure import explain
from musictk.export.replay import Replayed, replay, speeds
from musictk.export.report import ExportListener, ExportReport
from musictk.export.rounding import Excerpt, generated, rounding
from musictk.export.staging import staged_export
from musictk.export.vocabulary import write_vocabulary
from musictk.files import atomic
from musictk.model.bundle import with_progress
from musictk.model.manifest import CONDITION_WEIGHTS, WEIGHTS, Manifest
from musictk.model.network import Network
from musictk.runtime import Runtime, load
from musictk.runtime.torch import Torch

EXACT = 1e-4  # the largest difference of logits if nothing was rounded
ROUNDED = 0.98  # greedy agreement below which a rounded model is no longer the same model


class Written(NamedTuple):
    """What a runtime's file takes: the manifest with its state, and the state before a piece."""

    manifest: Manifest
    initial: Sequence[Tensor]


def write_export(
    source: Path,
    target: Path,
    runtime: str,
    kind: str,
    write: Callable[[Network, Manifest, Path], Written],
    listener: ExportListener,
    music: Sequence[Excerpt] = (),
    least: float = ROUNDED,
) -> ExportReport:
    """Export the checkpoint in `source` to the directory `target`, unless it computes otherwise.

    `write` puts the runtime's file into a directory. The bundle's `weights.safetensors` keeps only
    what that file lacks: condition tables, and initial states that are not zero. For a rounded
    kind, the share of equal greedy choices over `music` must be at least `least`.
    """
    reference = Torch(source, threads=1, device="cpu")
    network = reference.network
    manifest = replace(reference.manifest, conditioned="position")
    with staged_export(target) as directory:
        listener.stage("writing")
        what = f"architecture {manifest.architecture!r}"
        compiler = "torch.jit.script" if kind == "torchscript" else "torch.export"
        hint = f"let its begin and forward compile with {compiler}"
        with _explained(f"{what} cannot be exported as {kind}", hint, network):
            manifest, initial = write(network, manifest, directory)
        _write_tables(network, initial, directory / WEIGHTS)
        write_vocabulary(manifest, directory)
        manifest.write(directory)
        listener.stage("replaying")
        hint = "export in another format, or change its forward"
        with _explained(f"the {kind} export of {what} does not run", hint, network):
            candidate = load(directory, runtime, device="cpu")
            replayed = replay(candidate, reference, EXACT)
        measured: dict[str, Any] = {"greedy_agreement": replayed.agreement}
        if kind in ("onnx", "torchscript"):
            _require_exact(f"the {kind} export of {source}", replayed)
        else:
            listener.stage("measuring")
            measured = _measured(candidate, reference, music)
            _require_close(f"the {kind} export of {source}", measured, least, kind)
        listener.stage("timing")
        speed, eager = speeds([candidate, reference])
        report = ExportReport(
            path=target,
            kind=kind,
            bytes=sum(file.stat().st_size for file in directory.iterdir()),
            steps=replayed.steps,
            max_logit_difference=replayed.difference,
            tokens_per_second=speed,
            eager_tokens_per_second=eager,
            **measured,
        )
        kept = {key: value for key, value in asdict(report).items() if key != "path"}
        with_progress(manifest, export=kept).write(directory)
    return report


@contextmanager
def _explained(what: str, hint: str, network: Network) -> Iterator[None]:
    """Turn an error of any type, as torch's exporters and runtimes raise, into one line."""
    try:
        yield
    except (MusictkError, OSError):
        raise
    except Exception as error:
        raise MusictkError(f"{what}: {explain(error, network)}", hint) from error


def _require_exact(what: str, replayed: Replayed) -> None:
    if replayed.agreement < 1 or not replayed.difference <= EXACT:
        raise MusictkError(
            f"{what} differs from the model: logits differ by up to "
            f"{replayed.difference:.2g}, "
            f"{100 * replayed.agreement:.1f} % of greedy choices agree; the export was removed",
            "export in another format, or report this with the manifest.json of the run",
        )


def _measured(candidate: Runtime, reference: Runtime, music: Sequence[Excerpt]) -> dict[str, Any]:
    """The part of the report about rounding."""
    found = rounding(candidate, reference, music or generated(reference))
    return {
        "music": "validation music" if music else "generated music",
        "music_positions": found.positions,
        "greedy_agreement": found.agreement,
        "nats_difference": found.nats,
    }


def _require_close(what: str, measured: Mapping[str, Any], least: float, kind: str) -> None:
    if not measured["greedy_agreement"] >= least:  # NaN is refused too
        milder = "--fp16, or --onnx alone for fp32" if kind == "onnx-int8" else "--onnx alone"
        raise MusictkError(
            f"{what} makes only {measured['greedy_agreement']:.1%} of the model's greedy choices "
            f"over {measured['music_positions']:,} positions of {measured['music']}, and "
            f"{least:.0%} are required; the export was removed",
            f"export with {milder}",
        )


def _write_tables(network: Network, initial: Sequence[Tensor], path: Path) -> None:
    tensors = {
        name: value
        for name, value in network.state_dict().items()
        if name.startswith(CONDITION_WEIGHTS)
    }
    for slot, value in enumerate(initial):
        if bool(value.any()):
            tensors[f"state.{slot}"] = value
    with atomic(path, SafetensorError) as temporary:
        save_file(tensors, str(temporary))
