"""What is asked for, in full: equal requests on one machine make equal pieces, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.config import build, plain
from musictk.errors import UsageError
from musictk.generation.form import BARS, MOST_BARS, Form, Section, parse
from musictk.tokens import Frames, Space

Links = tuple[tuple[str, dict[str, Any]], ...]
Weighted = tuple[tuple[str, float], ...]  # labels of one category, mixed


def chain(
    temperature: float = 0.95, top_k: int = 0, top_p: float = 0.95, min_p: float = 0.0
) -> Links:
    """The customary order: temperature, top-k, top-p, min-p, without what would change nothing."""
    links: list[tuple[str, dict[str, Any]]] = []
    if temperature != 1:
        links.append(("temperature", {"temperature": temperature}))
    if top_k > 0:
        links.append(("top-k", {"k": top_k}))
    if top_p < 1:
        links.append(("top-p", {"p": top_p}))
    if min_p > 0:
        links.append(("min-p", {"p": min_p}))
    return tuple(links)


USUAL = chain()
LEAST = 16  # positions of memory


@dataclass(frozen=True)
class Memory:
    """What a piece remembers of itself (docs: form)."""

    length: int = 0  # sequence memory: the most positions a context holds; 0: as it was trained
    variation: float = 0.3  # of returning sections: 0 repeats exactly, 1 only remembers
    blend: float = 0.5  # weight of the theme's context once it is fully in
    ramp: int = 2  # bars over which that weight rises
    contrast: float = 0.0  # how far a new section turns from what it would owe the old ones
    figure: float = 0.5  # bars: how long a departure from the theme lasts on average

    def __post_init__(self) -> None:
        for name, least, most in (("variation", 0, 1), ("blend", 0, 1), ("contrast", 0, 4)):
            if not least <= getattr(self, name) <= most:
                raise UsageError(
                    f"{name} {getattr(self, name)} is out of range", f"choose {least} to {most}"
                )
        if not (self.length == 0 or self.length >= LEAST) or self.ramp < 0 or self.figure <= 0:
            raise UsageError(
                f"memory {self.length}, ramp {self.ramp} and figure {self.figure} cannot be",
                f"memory is 0 or at least {LEAST} positions, the ramp not negative, a figure"
                " longer than 0",
            )


@dataclass(frozen=True)
class Request:
    """Everything a piece is made from, beside the bundle. JSON-able: `plain` and `read`.

    `conditions` are weighted labels per category. `form` "" is one section of `bars` bars.
    `bars` 0 means the usual number: 8 for each section of a form, 16 for a piece without one.
    """

    conditions: Mapping[str, Weighted] = field(default_factory=dict)
    form: str = ""
    bars: int = 0
    seed: int = 0
    count: int = 1  # pieces made side by side; each draws from random numbers of its own
    guidance: float = 1.5  # s of u + s (c - u); 1 is plain conditioning
    samplers: Links = USUAL
    memory: Memory = Memory()
    prompt: tuple[Any, ...] = ()  # ids, or of each frame the pitches that sound: see `prompt`
    bar_limit: int = 512  # positions after which a bar is brought to its end
    steady_metre: bool = True  # the first bar's metre holds to the end

    def __post_init__(self) -> None:
        if not 0 <= self.bars <= MOST_BARS:
            raise UsageError(f"{self.bars} bars cannot be", f"choose 0 to {MOST_BARS}")
        if self.count < 1 or self.bar_limit < 8 or not 0 <= self.seed < 2**63:
            raise UsageError(
                f"count {self.count}, seed {self.seed} and bar limit {self.bar_limit} cannot be",
                "count is at least 1, the bar limit at least 8, nothing is negative",
            )
        if not 0 <= self.guidance <= 100:
            raise UsageError(f"guidance {self.guidance} is out of range", "choose 0 to 100")
        self.plan()

    def plan(self) -> Form:
        """The sections this asks for."""
        if self.form.strip():
            return parse(self.form, self.bars or BARS)
        return Form((Section("A", self.bars or 2 * BARS),))

    def plain(self) -> dict[str, Any]:
        """JSON-able; `Request.read` reads it back."""
        return plain(self)

    @staticmethod
    def read(value: Mapping[str, Any]) -> Request:
        """The inverse of `plain`; raises UsageError for what does not fit."""
        # Each level by itself, so that a setting that does not exist is named at any depth.
        memory = build(Memory, value.get("memory", {}), "memory")
        return build(Request, {**value, "memory": memory}, "request")


def to_prompt(sequence: NDArray[Any]) -> tuple[Any, ...]:
    """An encoded piece, (T,) ids or (T, W) frames, as a request holds it."""
    if sequence.ndim == 1:
        return tuple(sequence.tolist())
    return tuple(tuple(np.flatnonzero(frame).tolist()) for frame in sequence)


def from_prompt(prompt: tuple[Any, ...], space: Space) -> NDArray[Any]:
    """The inverse of `to_prompt`: (T,) int64 or (T, W) uint8."""
    if not isinstance(space, Frames):
        return np.array(prompt, np.int64)
    sequence = np.zeros((len(prompt), space.width), np.uint8)
    for row, pitches in zip(sequence, prompt, strict=True):
        row[list(pitches)] = 1
    return sequence
