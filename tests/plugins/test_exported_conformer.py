"""What the conformer gives to the exporter computes what was trained, in every chunking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musictk.export import export_onnx
from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.runtime import load
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Tokens

SPACE = Tokens(61)
SMALL: dict[str, Any] = {
    "dim": 32,
    "depth": 2,
    "heads": 2,
    "max_length": 700,
    "windows": (16, 64),
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"streams": 1, "kernel": 3},
    {"kernel": 1, "depth": 1},
    {"qk_norm": False, "windows": (8,), "max_length": 4096},
    {"max_length": 8192, "windows": (64, 256)},
    {"global_layers": (1,)},
    {"dynamic_bias": True, "global_layers": (1,), "windows": (8, 32)},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_computes_what_was_trained(settings: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "torch"
    write_untrained(source, "conformer", Blank(SPACE), **SMALL | settings)
    network, manifest = bundle.read(source)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in network.body.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    bundle.write(source, network, manifest)
    before = (source / "weights.safetensors").read_bytes()
    export_onnx(source, tmp_path / "onnx")
    assert (source / "weights.safetensors").read_bytes() == before
    models = [load(tmp_path / "onnx", "onnx", device="cpu"), load(source, "torch", device="cpu")]
    random, condition = np.random.default_rng(0), np.zeros((2, 1, 32), np.float32)
    sessions = [model.begin(2, 650) for model in models]
    for length in (70, 1, 130, 1, 1, 17, *[1] * 150, 270):  # beyond the room of every cache
        sequence = random.integers(0, SPACE.size, (2, length))
        ours, theirs = (session.step(sequence, condition) for session in sessions)
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_late_positions_do_not_overflow(tmp_path: Path) -> None:
    settings = SMALL | {"depth": 1, "max_length": 8192, "windows": (32, 256)}
    write_untrained(tmp_path / "torch", "conformer", Blank(SPACE), **settings)
    export_onnx(tmp_path / "torch", tmp_path / "onnx")
    paths = [tmp_path / "onnx", tmp_path / "torch"]
    sessions = [load(path, path.name, device="cpu").begin(1) for path in paths]
    random, condition = np.random.default_rng(0), np.zeros((1, 1, 32), np.float32)
    for _ in range(32):
        sequence = random.integers(0, SPACE.size, (1, 256))
        ours, theirs = (session.step(sequence, condition) for session in sessions)
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_windows_are_written_in_place(tmp_path: Path) -> None:
    write_untrained(tmp_path / "torch", "conformer", Blank(SPACE), **SMALL | {"depth": 1})
    export_onnx(tmp_path / "torch", tmp_path / "onnx")
    slots = Manifest.read(tmp_path / "onnx").slots
    assert [slot.in_place for slot in slots] == [False, False, True, True, True, True]


def test_two_buffers_give_the_same(tmp_path: Path) -> None:
    """As programs without musictk bind the state, and as exports did that do not state it."""
    write_untrained(tmp_path / "torch", "conformer", Blank(SPACE), **SMALL | {"depth": 1})
    export_onnx(tmp_path / "torch", tmp_path / "onnx")
    models = [load(tmp_path / "onnx", device="cpu")]
    manifest = json.loads((tmp_path / "onnx" / "manifest.json").read_bytes())
    for slot in manifest["slots"]:
        del slot["in_place"]
    (tmp_path / "onnx" / "manifest.json").write_text(json.dumps(manifest))
    models.append(load(tmp_path / "onnx", device="cpu"))
    assert not any(slot.in_place for slot in models[1].manifest.slots)
    sessions = [model.begin(1) for model in models]
    random, condition = np.random.default_rng(0), np.zeros((1, 1, 32), np.float32)
    for length in (90, *[1] * 200, 70):
        sequence = random.integers(0, SPACE.size, (1, length))
        ours, theirs = (session.step(sequence, condition) for session in sessions)
        np.testing.assert_array_equal(ours, theirs)
