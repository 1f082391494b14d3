"""Read and write bundles: manifest + safetensors. No pickle."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from musictk.config import build, plain
from musictk.controls import NO_CONTROLS, Controls
from musictk.errors import MusictkError, UsageError
from musictk.files import atomic, require_regular
from musictk.model.conditions import Conditions
from musictk.model.contract import Architecture
from musictk.model.manifest import WEIGHTS, Manifest, Slot, load_needed
from musictk.model.network import Network, NetworkConfig
from musictk.offers import make_component
from musictk.tokens import Tokenizer


def describe(
    network: Network,
    tokenizer: Tokenizer,
    conditions: Conditions,
    config: NetworkConfig,
    controls: Controls = NO_CONTROLS,
) -> Manifest:
    """The manifest of an untrained network.

    Raises MusictkError for an architecture whose `forward` breaks its contract.
    """
    body = network.body
    _check_forward(body)
    return Manifest(
        architecture=body.name,
        architecture_config=plain(body.config),
        network_config=plain(config),
        tokenizer=tokenizer.name,
        tokenizer_config=plain(tokenizer.config),
        tokenizer_learned=tokenizer.learned,
        tokenizer_fingerprint=tokenizer.fingerprint,
        space=tokenizer.space,
        conditions=conditions,
        controls=controls,
        max_length=body.max_length,
        slots=slots(body),
        versions={name: version(name) for name in ("musictk", "torch", "miditok", "symusic")},
    )


def _check_forward(body: Architecture) -> None:
    training, length = body.training, min(2, body.max_length)
    shape = (1, length, body.dim)
    body.eval()  # without random numbers
    with torch.no_grad():
        found: Any = body(torch.zeros(shape), body.begin(1, length))
    body.train(training)
    output = found[0] if isinstance(found, tuple) and len(found) == 2 else None
    if not isinstance(output, torch.Tensor) or output.shape != shape:
        got = "no pair" if output is None else f"{tuple(getattr(output, 'shape', ()))} first"
        raise MusictkError(
            f"architecture {body.name!r}: forward returned {got} for an input of shape "
            f"{shape}, not (output of that shape, state)",
            "check it with musictk.testing.architectures",
        )


def build_network(manifest: Manifest) -> Network:
    """The network a manifest describes, with newly initialised weights."""
    kind = load_needed("architecture", manifest.architecture)
    body: Architecture = make_component(kind, manifest.architecture_config)
    config = build(NetworkConfig, manifest.network_config, "network")
    return Network(body, manifest.space, manifest.conditions.sizes, config, manifest.controls)


def require_utf8(folder: Path) -> None:
    """Raise UsageError for a path from which safetensors cannot read weights again."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the path {folder} is not valid UTF-8, and weights cannot be read from there",
            "move the workspace to a folder with another name",
        ) from error


def write(directory: Path, network: Network, manifest: Manifest) -> None:
    """Write the bundle; weights first, so that a directory with a manifest is complete."""
    with atomic(directory / WEIGHTS, SafetensorError) as temporary:
        save_model(network, str(temporary))
    manifest.write(directory)


def read(directory: Path) -> tuple[Network, Manifest]:
    """The network with its weights, in evaluation mode, and its manifest.

    Raises MusictkError for a missing, damaged or mismatched file.
    """
    manifest = Manifest.read(directory)
    network = build_network(manifest)
    try:
        require_regular(directory / WEIGHTS)
        load_model(network, str(directory / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise MusictkError(
            f"the weights in {directory} cannot be read: {error}", "choose another run or export"
        ) from error
    return network.eval(), manifest


def slots(body: Architecture) -> tuple[Slot, ...]:
    """The shapes of the state, inferred from two states of different capacity."""
    result = []
    for small, large in zip(body.begin(1, 2), body.begin(1, 3), strict=True):
        shape: list[int | str] = ["batch"]
        for a, b in zip(small.shape[1:], large.shape[1:], strict=True):
            shape.append(int(a) if a == b else "capacity")
        dtype = str(small.dtype).removeprefix("torch.")
        result.append(Slot(tuple(shape), dtype, "capacity" in shape))
    return tuple(result)


def with_progress(manifest: Manifest, **trained: object) -> Manifest:
    """The manifest with `trained` added to its facts about training."""
    return replace(manifest, trained={**manifest.trained, **trained})


def weights_digest(network: torch.nn.Module) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()
