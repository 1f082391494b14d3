"""Runtimes are offered by plugins, as tokenizers and architectures are."""

from __future__ import annotations

import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from musictk import runtime
from musictk.errors import MusictkError, UnknownNameError
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.model.manifest import Manifest
from musictk.plugin import CORE, Registry, registry
from musictk.tokens import Tokens


@pytest.fixture
def bigram(bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle for the runtime of `bigram_plugin.py`, which is registered."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = Registry([CORE, EntryPoint("bigram", "bigram_plugin", "musictk")])
    assert not found.failures
    monkeypatch.setattr(runtime, "registry", lambda: found)
    for name in ("manifest.json", "weights.safetensors"):
        shutil.copy(bundles / "onnx" / name, tmp_path)
    space = Manifest.read(tmp_path).space
    assert isinstance(space, Tokens)
    table = np.random.default_rng(0).normal(size=(space.size, space.size)).astype(np.float32)
    np.save(tmp_path / "model.npy", table)
    return tmp_path


def test_the_built_in_runtimes_are_offered_as_well() -> None:
    offers = {offer.name: offer for offer in registry().offers("runtime")}
    assert set(offers) == {"torch", "torchscript", "onnx"}
    assert all(runtime.find_loader(name).name == name for name in offers)


def test_a_runtime_of_a_plugin_makes_music(bigram: Path) -> None:
    assert runtime.available(bigram) == ["bigram"]
    loaded = runtime.load(bigram)
    assert loaded.name == "bigram"
    request = PieceRequest.read({"bars": 1, "seed": 3})
    first, second = (
        compose(each, each.manifest.make_tokenizer(), request)[0]
        for each in (loaded, runtime.load(bigram, "bigram"))
    )
    assert len(first.sequence) > 2
    assert np.array_equal(first.sequence, second.sequence)


def test_a_runtime_of_a_plugin_is_chosen_as_the_others_are(bigram: Path, bundles: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'bigram'"):
        runtime.load(bigram, "bigrams")
    with pytest.raises(MusictkError, match="contains bigram, not onnx"):
        runtime.load(bigram, "onnx")
    with pytest.raises(MusictkError, match=r"contains onnx, not bigram.*count some music"):
        runtime.load(bundles / "onnx", "bigram")
    shutil.copy(bundles / "torch" / "weights.safetensors", bigram)
    assert runtime.available(bigram) == ["bigram", "torch"]
    assert runtime.choose(bigram, "torch") == "torch"


def test_a_runtime_that_does_not_load_spoils_no_other(bigram: Path) -> None:
    assert runtime.choose(bigram) == "bigram"
    with pytest.raises(MusictkError, match="'broken' of plugin bigram does not load"):
        runtime.choose(bigram, "broken")
