"""The two spaces of sequences: tokens and frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tokens:
    """Sequences of integers: (T,) int64 in `[0, size)`.

    A piece is trained on from `bos` to `eos`; `pad` fills batches and is never predicted. These
    three ids are defined only here: a vocabulary numbers its own tokens from `ordinary` on, and a
    grammar uses its tokenizer's space.
    """

    unit: ClassVar[str] = "token"
    ordinary: ClassVar[int] = 3  # the lowest id that is not special, by default

    size: int
    pad: int = 0
    bos: int = 1
    eos: int = 2

    @property
    def classes(self) -> int:
        """Logits of a position: one for each id."""
        return self.size

    @property
    def special(self) -> list[int]:
        """The ids that are not music: pad, bos and eos."""
        return [self.pad, self.bos, self.eos]

    def start(self, batch: int) -> NDArray[np.int64]:
        """(batch, 1): what a sequence begins with."""
        return np.full((batch, 1), self.bos, np.int64)


@dataclass(frozen=True)
class Frames:
    """Sequences of frames: (T, width) uint8, 1 where a pitch sounds.

    A piece begins with an empty frame; there is no end frame: length is counted in bars.
    """

    unit: ClassVar[str] = "frame"

    width: int = 128

    @property
    def classes(self) -> int:
        """Logits of a position: one for each pitch."""
        return self.width

    def start(self, batch: int) -> NDArray[np.uint8]:
        """(batch, 1, width): what a sequence begins with."""
        return np.zeros((batch, 1, self.width), np.uint8)


Space = Tokens | Frames


def space_to(space: Space) -> dict[str, Any]:
    """A JSON-able description; `space_from` reads it back."""
    return {"kind": type(space).__name__.lower(), **asdict(space)}


def space_from(value: Mapping[str, Any]) -> Space:
    """The inverse of `space_to`."""
    fields = {key: int(item) for key, item in value.items() if key != "kind"}
    return Frames(**fields) if value["kind"] == "frames" else Tokens(**fields)
