"""The manifest of a bundle: everything but the weights. Free of torch.

A bundle is a directory: `manifest.json` + `weights.safetensors`, and in an export also `model.onnx`
or `model.ts`. Checkpoints and exports are both bundles, so sampling needs no catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musictk.controls import Controls
from musictk.errors import MusictkError, UnknownNameError
from musictk.files import read_json, write_json
from musictk.model.conditions import Conditions
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.tokens import Space, Tokenizer, space_from, space_to

FORMAT = 1
MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"
ONNX, TORCHSCRIPT = "model.onnx", "model.ts"  # the step of an exported bundle
CONDITION_WEIGHTS = ("tables.", "controls.")  # how the names of weights begin that make conditions
_TABLES = (
    *("architecture_config", "network_config", "tokenizer_config", "sampling", "trained"),
    "versions",
)


def load_needed(kind: str, name: str) -> Any:
    """The component that a model needs; raises MusictkError if no plugin offers it."""
    try:
        return registry().load(kind, name)
    except UnknownNameError as error:
        raise MusictkError(
            f"this model needs the {kind} {name!r}, which no plugin offers",
            f"install its plugin ({error.hint})",
        ) from error


@dataclass(frozen=True)
class Slot:
    """One state tensor: `shape` may hold the words "batch" and "capacity"; `dtype` is numpy's.

    `in_place`: whether an exported step may write it where it reads it.
    """

    shape: tuple[int | str, ...]
    dtype: str
    in_place: bool = False

    def concrete(self, batch: int, capacity: int) -> tuple[int, ...]:
        """The shape for `batch` rows with room for `capacity` positions each."""
        sizes = {"batch": batch, "capacity": capacity}
        return tuple(sizes[size] if isinstance(size, str) else size for size in self.shape)


@dataclass(frozen=True)
class Manifest:
    """The content of a bundle, and how it was trained."""

    architecture: str
    architecture_config: Mapping[str, Any]
    network_config: Mapping[str, Any]
    tokenizer: str
    tokenizer_config: Mapping[str, Any]
    tokenizer_learned: str | None
    tokenizer_fingerprint: str
    space: Space
    conditions: Conditions
    max_length: int  # the maximum number of positions of a row
    controls: Controls = field(default_factory=Controls)
    conditioned: str = "position"  # what an export takes a condition for; older ones: each "row"
    slots: tuple[Slot, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)  # saved defaults
    trained: Mapping[str, Any] = field(default_factory=dict)  # step, data, metrics, settings
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """The width of the network's input, and of the vectors of labels and controls."""
        return int(self.architecture_config["dim"])

    @property
    def trained_length(self) -> int | None:
        """The length of the training crops, in positions; None if not recorded."""
        length = self.trained.get("settings", {}).get("length")
        return int(length) if length else None

    def make_tokenizer(self) -> Tokenizer:
        """The tokenizer the model was trained with.

        Raises MusictkError if its plugin is missing, or decodes ids differently now.
        """
        kind = load_needed("tokenizer", self.tokenizer)
        tokenizer: Tokenizer = make_component(kind, self.tokenizer_config, self.tokenizer_learned)
        if not tokenizer.decodes(self.tokenizer_fingerprint):
            raise MusictkError(
                f"tokenizer {self.tokenizer!r} no longer decodes as it did when this was trained",
                "use the musictk and plugin versions named in manifest.json",
            )
        return tokenizer

    def write(self, directory: Path) -> None:
        """Write `manifest.json` into `directory`."""
        value = asdict(self) | {
            "format": FORMAT,
            "space": space_to(self.space),
            "conditions": self.conditions.plain(),
            "controls": self.controls.plain(),
        }
        write_json(directory / MANIFEST, value)

    @staticmethod
    def read(directory: Path) -> Manifest:
        """Read `manifest.json`; raises MusictkError if it is missing, invalid or too new."""
        value = read_json(directory / MANIFEST)
        try:
            if value.pop("format") > FORMAT:
                raise MusictkError(f"{directory} was made by a newer musictk", "upgrade musictk")
            value["space"] = space_from(value["space"])
            value["conditions"] = Conditions.read(value["conditions"])
            if "controls" not in value:
                value["conditioned"] = "row"
            value["controls"] = Controls.read(value.get("controls", ()))
            # Networks trained before had no such path.
            value["network_config"] = {"condition_logits": False, **value["network_config"]}
            value["slots"] = tuple(
                Slot(tuple(shape := slot["shape"]), slot["dtype"], _in_place(slot, shape))
                for slot in value["slots"]
            )
            manifest = Manifest(**value)
            for name in _TABLES:
                if not isinstance(getattr(manifest, name), Mapping):
                    raise TypeError(f"{name} is not a table")
            dim = value["architecture_config"]["dim"]
            for name, size in (("max_length", value["max_length"]), ("dim", dim)):
                if not isinstance(size, int) or size < 1:
                    raise TypeError(f"{name} is {size!r}, not a number above 0")
            for slot in manifest.slots:
                np.dtype(slot.dtype)  # raises TypeError for an unknown one
            return manifest
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MusictkError(
                f"{directory / MANIFEST} is not a bundle's manifest: {error}",
                "export or train it again",
            ) from error


def _in_place(slot: Mapping[str, Any], shape: Iterable[Any]) -> bool:
    """Earlier exports do not state it: they write what has room for every position in place."""
    return bool(slot.get("in_place", "capacity" in shape))
