"""Untrained but real networks, loaded the way a user's bundle is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from musictk import runtime
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.manifest import make_component
from musictk.model.network import Network, NetworkConfig
from musictk.plugin import registry
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer

MIDIS = Path(__file__).parents[2] / "examples/midis"
CONDITIONS = Conditions.count({"composer": {"Bach": 20, "Chopin": 20, "Satie": 1}}, threshold=10)


@cache
def tokenizer(name: str) -> Tokenizer:
    made: Tokenizer = make_component(registry().load("tokenizer", name), {})
    return made


@cache
def untrained(name: str, max_length: int = 512) -> Runtime:
    """A small `gpt` over the tokenizer `name`, with random weights and every condition."""
    torch.manual_seed(0)
    config: dict[str, Any] = {"dim": 16, "depth": 1, "heads": 2, "max_length": max_length}
    body = make_component(registry().load("architecture", "gpt"), config)
    space = tokenizer(name).space
    network = Network(body, space, CONDITIONS.sizes, NetworkConfig())
    manifest = bundle.describe(network, tokenizer(name), CONDITIONS, NetworkConfig())
    with TemporaryDirectory() as directory:
        bundle.write(Path(directory), network, manifest)
        return runtime.load(Path(directory), "torch", device="cpu")
