"""Fine-tuning: start from a bundle's weights, with vectors for new labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from musictk.errors import UsageError
from musictk.model import bundle
from musictk.model.conditions import NONE, OTHER, Conditions
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens import Tokenizer
from musictk.training.adapters import adapt


def start_from(
    directory: Path,
    tokenizer: Tokenizer | None = None,
    conditions: Conditions | None = None,
    lora: int = 0,
    dropout: float | None = None,
) -> tuple[Network, Manifest]:
    """The network of a bundle, ready to be trained further, and its manifest.

    Labels of `conditions` that the bundle lacks are appended: a label that shared OTHER starts from
    OTHER's vector, any other from the mean of the known ones, not from noise. `lora` > 0 trains
    adapters of that rank instead of all weights (raises MusictkError without peft). `dropout`, on
    which no weight depends, replaces the bundle's. Raises UsageError if the bundle was not trained
    with `tokenizer`.
    """
    network, manifest = bundle.read(directory)
    if tokenizer is not None and not tokenizer.decodes(manifest.tokenizer_fingerprint):
        raise UsageError(
            f"{directory} was trained on {manifest.tokenizer!r}, with other settings than these",
            "fine-tune with the tokenizer of the first run",
        )
    origin = {"digest": bundle.weights_digest(network), "trained": dict(manifest.trained)}
    manifest = replace(manifest, trained={"from": origin})
    if tokenizer is not None:
        manifest = replace(manifest, tokenizer_fingerprint=tokenizer.fingerprint)
    if dropout is not None:
        config = {**manifest.architecture_config, "dropout": dropout}
        manifest = replace(manifest, architecture_config=config)
    if conditions is not None or dropout is not None:
        grown = grow(manifest.conditions, conditions or manifest.conditions)
        network, manifest = _widen(network, manifest, grown)
    if lora:
        adapt(network, lora)
    return network.train(), manifest


def grow(known: Conditions, wanted: Conditions) -> Conditions:
    """`known` with the labels that only `wanted` has appended, so that no id changes."""
    labels, folded = dict(known.labels), dict(known.folded)
    for name, others in wanted.labels.items():
        mine = labels.get(name, (NONE, OTHER))
        labels[name] = (*mine, *(label for label in others if label not in mine))
        sharing = {*folded.get(name, ()), *wanted.folded.get(name, ())}
        folded[name] = tuple(sorted(sharing - set(labels[name])))
    return Conditions(labels, folded, {**known.usual, **wanted.usual})


def _widen(network: Network, manifest: Manifest, grown: Conditions) -> tuple[Network, Manifest]:
    wider = replace(manifest, conditions=grown)
    fresh = bundle.build_network(wider)
    state = dict(network.state_dict())
    for index, name in enumerate(grown.labels):
        key = f"tables.{index}.weight"
        before = state.get(key)
        state[key] = _table(before, manifest.conditions, grown, name, network.body.dim)
    for key, value in fresh.state_dict().items():
        if key.startswith("condition_logits."):  # of zeros; a network without labels has none
            state.setdefault(key, value)
    fresh.load_state_dict(state)
    return fresh, wider


@torch.no_grad()
def _table(
    before: Tensor | None, known: Conditions, grown: Conditions, name: str, dim: int
) -> Tensor:
    """(labels, D) vectors; those of a new category start at 0, so that they have no effect."""
    if before is None:
        return torch.zeros(len(grown.labels[name]), dim)
    own = before[2:]
    mean = own.mean(0) if len(own) else before[1]
    sharing = known.folded.get(name, ())
    new = grown.labels[name][len(before) :]
    added = [before[1] if label in sharing else mean for label in new]
    return torch.cat([before, torch.stack(added)]) if added else before
