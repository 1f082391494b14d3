"""Bundles: a round trip changes nothing, and invalid ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from musictk.errors import MusictkError
from musictk.model import bundle
from musictk.model.manifest import MANIFEST, WEIGHTS, Manifest, Slot
from musictk.plugin import registry
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Frames, Space, Tokens

NAMES = [offer.name for offer in registry().offers("architecture")]
SMALL = {"dim": 16, "depth": 1, "heads": 2}


@pytest.mark.parametrize("space", [Tokens(20), Frames(8)], ids=["tokens", "frames"])
@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name: str, space: Space, tmp_path: Path) -> None:
    write_untrained(tmp_path / "one", name, Blank(space), **SMALL)
    network, manifest = bundle.read(tmp_path / "one")
    assert not network.training
    bundle.write(tmp_path / "two", network, manifest)
    again, same = bundle.read(tmp_path / "two")
    assert same == manifest
    assert bundle.weights_digest(again) == bundle.weights_digest(network)
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_slots_describe_every_state(name: str, tmp_path: Path) -> None:
    write_untrained(tmp_path, name, Blank(Tokens(20)), **SMALL)
    network, manifest = bundle.read(tmp_path)
    for batch, capacity in ((1, 5), (3, 17)):
        state = network.begin(batch, capacity)
        shapes = [slot.concrete(batch, capacity) for slot in manifest.slots]
        assert [tuple(tensor.shape) for tensor in state] == shapes
    assert manifest.slots[0] == Slot(("batch",), "int64")


def test_a_plugin_that_is_missing_is_named(tmp_path: Path) -> None:
    write_untrained(tmp_path, "gpt", Blank(Tokens(20)), **SMALL)
    value = json.loads((tmp_path / MANIFEST).read_text())
    value |= {"architecture": "lstm", "tokenizer": "melody"}
    (tmp_path / MANIFEST).write_text(json.dumps(value))
    with pytest.raises(MusictkError, match="needs the architecture 'lstm', which no plugin"):
        bundle.read(tmp_path)
    with pytest.raises(MusictkError, match="needs the tokenizer 'melody', which no plugin"):
        Manifest.read(tmp_path).make_tokenizer()


def test_a_digest_changes_with_one_bit(tmp_path: Path) -> None:
    write_untrained(tmp_path, "gpt", Blank(Tokens(20)), **SMALL)
    network, _ = bundle.read(tmp_path)
    before = bundle.weights_digest(network)
    with torch.no_grad():
        network.head.norm.weight[3] += 1e-6
    assert bundle.weights_digest(network) != before


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    write_untrained(tmp_path, "gpt", Blank(Tokens(20)), **SMALL)
    whole = (tmp_path / WEIGHTS).read_bytes()
    for broken in (b"", whole[:100], whole[:-1], b"\x80\x04}."):
        (tmp_path / WEIGHTS).write_bytes(broken)
        with pytest.raises(MusictkError, match="cannot be read"):
            bundle.read(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(MusictkError, match="cannot be read"):
        bundle.read(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_untrained(tmp_path / "gpt", "gpt", Blank(Tokens(20)), **SMALL)
    write_untrained(tmp_path / "roll", "roll", Blank(Tokens(20)), **SMALL)
    (tmp_path / "roll" / WEIGHTS).write_bytes((tmp_path / "gpt" / WEIGHTS).read_bytes())
    with pytest.raises(MusictkError, match="cannot be read"):
        bundle.read(tmp_path / "roll")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "newer musictk"),
        ({"slots": 3}, "not a bundle's manifest"),
        ({"space": None}, "not a bundle's manifest"),
        ({"architecture": "gtp"}, "gpt"),
        ({"architecture_config": {"dimm": 3}}, "dim"),
    ],
)
def test_a_broken_manifest_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    write_untrained(tmp_path, "gpt", Blank(Tokens(20)), **SMALL)
    value = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(value | change))
    with pytest.raises(MusictkError, match=message):
        bundle.read(tmp_path)


def test_a_missing_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match="nowhere"):
        Manifest.read(tmp_path / "nowhere")
