"""Export a run's best model to other runtimes, and store the report of each export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from musictk import builtin
from musictk.catalog import Catalog
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.export import Excerpt, ExportListener, ExportReport, export_onnx, export_torchscript
from musictk.export.rounding import POSITIONS
from musictk.files import require_writable_folder
from musictk.jobs.bundles import best_of
from musictk.jobs.corpus import Corpus, known_labels
from musictk.model.manifest import Manifest
from musictk.workspace import Workspace

_EXCERPTS = 8  # pieces on which a rounded model is compared with its original
KINDS = ("onnx", "onnx-int8", "onnx-fp16", "torchscript")


def kinds(onnx: bool, torchscript: bool, int8: bool, fp16: bool) -> tuple[str, ...]:
    """The kinds of export that the command's flags select; by default ONNX."""
    if int8 and fp16:
        raise UsageError("--int8 cannot be combined with --fp16", "export twice")
    precision = "-int8" if int8 else "-fp16" if fp16 else ""
    chosen = [f"onnx{precision}"] if onnx or precision or not torchscript else []
    return (*chosen, "torchscript") if torchscript else tuple(chosen)


def known_kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    """These kinds of export; raises UnknownNameError for an unknown one."""
    known = tuple(kinds)
    for kind in known:
        if kind not in KINDS:
            raise UnknownNameError("kind of export", kind, KINDS)
    return known


def export(
    catalog: Catalog | None,
    workspace: Workspace,
    kinds: Sequence[str],
    run: str | None = None,
    listener: ExportListener | None = None,
) -> Iterator[ExportReport]:
    """Export the best checkpoint of a run (see `best_of`) to each kind.

    Exports of runs are stored in the catalog; those of built-in models are named by their paths.
    """
    name, source = best_of(catalog, workspace, run)
    recorded = None if name in builtin.MODELS else catalog
    checkpoint = "" if recorded is None else recorded.checkpoint(name).digest
    require_writable_folder(workspace.exports)
    for kind in kinds:
        target = workspace.exports / f"{name}-{kind}"
        if kind == "torchscript":
            report = export_torchscript(source, target, listener)
        else:
            precision: Any = kind.partition("-")[2] or "fp32"
            music = []
            if precision != "fp32" and catalog is not None:
                music = excerpts(Corpus(catalog, workspace), source)
            report = export_onnx(source, target, precision, listener, music)
        if recorded is not None:
            stored = plain(report) | {"checkpoint": checkpoint}
            recorded.add_export(name, kind, workspace.relative(report.path), stored)
        yield report


def excerpts(corpus: Corpus, source: Path) -> list[Excerpt]:
    """The beginnings of some validation pieces, encoded for the model of a checkpoint.

    Empty if there are no such pieces any more, or if the tokenizer has changed since.
    """
    manifest = Manifest.read(source)
    try:
        tokenizer = manifest.make_tokenizer()
    except MusictkError:
        return []
    pieces = corpus.select(tokenizer.reads, "valid")
    found: list[Excerpt] = []
    chosen = pieces[:: max(len(pieces) // _EXCERPTS, 1)][:_EXCERPTS]
    for piece, music in corpus.music(chosen):
        with suppress(ValueError):  # no note in range
            sequence = tokenizer.encode(music)
            length = min(POSITIONS, manifest.max_length, len(sequence))
            labels = known_labels(piece, manifest.conditions)
            weights = {category: [(label, 1.0)] for category, label in labels.items()}
            found.append(Excerpt(sequence[:length], manifest.conditions.mixture(weights)))
    return found


def plain(report: ExportReport) -> dict[str, Any]:
    """The report as JSON-able values."""
    return asdict(report) | {"path": str(report.path)}
