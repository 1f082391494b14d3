"""One untrained model, and its exports, for every test of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from musictk.export import export_onnx, export_torchscript
from musictk.plugin import registry
from musictk.testing.exports import write_untrained


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the bundles `torch`, `torchscript` and `onnx` of a small gpt over remi."""
    root = tmp_path_factory.mktemp("bundles")
    kind = registry().load("tokenizer", "remi")
    tokenizer = kind(kind.Config())
    settings = {"dim": 32, "depth": 2, "heads": 2, "max_length": 640}
    write_untrained(root / "torch", "gpt", tokenizer, **settings)
    export_torchscript(root / "torch", root / "torchscript")
    export_onnx(root / "torch", root / "onnx")
    return root
