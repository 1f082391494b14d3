"""A plugin with a runtime: a table predicts each token from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.model.manifest import Manifest
from musictk.plugin import Register, hookimpl
from musictk.runtime import Loader, Runtime
from musictk.runtime.engine import Engine, Rows


@hookimpl
def register_runtimes(register: Register) -> None:
    register("bigram", f"{__name__}:BigramLoader", "a table of logits")
    register("broken", f"{__name__}:Missing", "does not load")


class BigramLoader(Loader):
    """Runs `model.npy`, (V, V) logits."""

    name = "bigram"
    file = "model.npy"

    def hint(self, run: str = "") -> str:
        return "count some music"

    def load(self, directory: Path, threads: int, device: str | None) -> Runtime:
        return Bigram(directory, Manifest.read(directory))


class Bigram(Engine[None]):
    """Without state: the last token is all that matters."""

    name = "bigram"

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        super().__init__(directory, manifest)
        self.table = np.load(directory / BigramLoader.file)

    def empty(self, batch: int, capacity: int) -> None:
        return None

    def run(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[None]
    ) -> tuple[NDArray[np.float32], None]:
        return self.table[sequence], None

    def take(self, state: None, rows: Sequence[int]) -> None:
        return None

    def stack(self, states: Sequence[None]) -> None:
        return None
