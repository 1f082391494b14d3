"""Untrained but real networks, loaded the way a user's bundle is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from symusic.core import ScoreTick

from musictk import runtime
from musictk.controls import NO_CONTROLS, Controls
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.network import Network, NetworkConfig
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer

MIDIS = Path(__file__).parents[2] / "examples/midis"
CONDITIONS = Conditions.count({"composer": {"Bach": 20, "Chopin": 20, "Satie": 1}}, threshold=10)


SETTINGS: dict[str, dict[str, Any]] = {
    "remi with bpe": {"bpe": 1500},
    "remi with programs": {"programs": True},
}


@cache
def tokenizer(name: str) -> Tokenizer:
    """With its default settings, or those of SETTINGS and what it learns from the examples."""
    kind = registry().load("tokenizer", name.split()[0])
    config = SETTINGS.get(name, {})
    made: Tokenizer = make_component(kind, config)
    if made.learns:
        examples = [ScoreTick.from_file(path) for path in sorted(MIDIS.rglob("*.mid"))[::6]]
        made = make_component(kind, config, made.learn(examples))
    return made


@cache
def untrained(name: str) -> Runtime:
    """A small `gpt` over the tokenizer `name`, with random weights and every condition."""
    return load_untrained(tokenizer(name))


@cache
def controlled(name: str) -> Runtime:
    """The same with every bar control that the tokenizer has."""
    return load_untrained(tokenizer(name), controls=Controls.available(tokenizer(name)))


def load_untrained(
    made: Tokenizer,
    trained: dict[str, Any] | None = None,
    controls: Controls = NO_CONTROLS,
    control_std: float = 1.0,
) -> Runtime:
    """The same over a tokenizer at hand; `trained` is the manifest's record of training."""
    with TemporaryDirectory() as directory:
        write_bundle(Path(directory), made, trained, controls, control_std)
        return runtime.load(Path(directory), "torch", device="cpu")


def write_bundle(
    directory: Path,
    made: Tokenizer,
    trained: dict[str, Any] | None = None,
    controls: Controls = NO_CONTROLS,
    control_std: float = 1.0,
) -> None:
    """Write the bundle of that network; `control_std` is that of the vectors of controls."""
    torch.manual_seed(0)
    config: dict[str, Any] = {"dim": 16, "depth": 1, "heads": 2, "max_length": 512}
    body = make_component(registry().load("architecture", "gpt"), config)
    network = Network(body, made.space, CONDITIONS.sizes, NetworkConfig(), controls)
    if network.controls is not None:
        torch.nn.init.normal_(network.controls.weight, std=control_std)
    manifest = bundle.describe(network, made, CONDITIONS, NetworkConfig(), controls)
    bundle.write(directory, network, replace(manifest, trained=trained or {}))
