"""`musictk export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from musictk.cli.context import session
from musictk.cli.output import Bar
from musictk.cli.sample import NEWEST

if TYPE_CHECKING:
    from musictk.export import ExportReport


def export(
    context: typer.Context,
    onnx: Annotated[bool, typer.Option("--onnx", help="Export to ONNX (the default).")] = False,
    torchscript: Annotated[
        bool, typer.Option("--torchscript", help="Export to TorchScript.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="ONNX with int8 weights.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="ONNX with fp16 weights.")] = False,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Run to export.", show_default=NEWEST),
    ] = None,
) -> None:
    """Export a run's best model to another runtime.

    Each export is checked against the original model and timed. Without a run it exports the
    built-in model.
    """
    from musictk.jobs import export as job

    here = session(context)
    kinds = job.kinds(onnx=onnx, torchscript=torchscript, int8=int8, fp16=fp16)
    with here.catalog_if_any(write=True) as catalog, here.output.progress("exporting") as bar:
        reports = list(job.export(catalog, here.workspace, kinds, run, Stages(bar)))
    here.output.result(
        [job.plain(report) for report in reports],
        *(line for report in reports for line in describe(report)),
    )


class Stages:
    """Shows the current stage of an export."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def stage(self, name: str) -> None:
        self._bar.update(0, 1, name)


def describe(report: ExportReport) -> list[str]:
    """What was written, how closely it matches the original, and its speed."""
    agreed = f"{report.greedy_agreement:.1%} of greedy choices equal"
    largest = f"largest logit difference {report.max_logit_difference:.2g}"
    lines = [f"  checked over {report.steps:,} steps: {largest}, {agreed}"]
    if report.nats_difference is not None:
        lines = [
            f"  checked over {report.music_positions:,} positions of {report.music}: {agreed},"
            f" {report.nats_difference:+.4f} nats per position"
        ]
    return [
        f"{report.path}  {report.kind}, {report.bytes / 2**20:.1f} MiB",
        *lines,
        f"  {report.tokens_per_second:,.0f} tokens/s on one thread"
        f" (eager PyTorch: {report.eager_tokens_per_second:,.0f})",
    ]
