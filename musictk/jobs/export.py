"""Write a run's best model for another runtime, and keep what the replay showed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from musictk.catalog import Catalog
from musictk.errors import UnknownNameError, UsageError
from musictk.export import ExportReport, Listener, export_onnx, export_torchscript
from musictk.jobs.bundles import best_of
from musictk.workspace import Workspace

KINDS = ("onnx", "onnx-int8", "onnx-fp16", "torchscript")


def kinds(onnx: bool, torchscript: bool, int8: bool, fp16: bool) -> tuple[str, ...]:
    """What the flags of the command ask for; ONNX where they ask for nothing."""
    if int8 and fp16:
        raise UsageError("--int8 and --fp16 cannot both be given", "export twice")
    precision = "-int8" if int8 else "-fp16" if fp16 else ""
    chosen = [f"onnx{precision}"] if onnx or precision or not torchscript else []
    return (*chosen, "torchscript") if torchscript else tuple(chosen)


def known_kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    """These kinds; raises UnknownNameError for one that is none."""
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of export", kind, KINDS)
    return tuple(kinds)


def export(
    catalog: Catalog,
    workspace: Workspace,
    kinds: Sequence[str],
    run: str | None = None,
    listener: Listener | None = None,
) -> Iterator[ExportReport]:
    """Export the best checkpoint of a run (by default the newest finished one), kind by kind."""
    name, source = best_of(catalog, workspace, run)
    for kind in kinds:
        target = workspace.exports / f"{name}-{kind}"
        if kind == "torchscript":
            report = export_torchscript(source, target, listener)
        else:
            precision: Any = kind.partition("-")[2] or "fp32"
            report = export_onnx(source, target, precision, listener)
        catalog.add_export(name, kind, workspace.relative(report.path), plain(report))
        yield report


def plain(report: ExportReport) -> dict[str, Any]:
    """The report as JSON-able values."""
    return asdict(report) | {"path": str(report.path)}
