"""Export a trained model for other runtimes, and verify that it computes the same."""

from __future__ import annotations

from musictk.export.report import ExportListener, ExportReport
from musictk.export.rounding import Excerpt

__all__ = ["Excerpt", "ExportListener", "ExportReport", "export_onnx", "export_torchscript"]

from musictk.export.onnx import export_onnx
from musictk.export.torchscript import export_torchscript
