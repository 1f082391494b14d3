"""What is asked of `sample`, and its result."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from musictk.errors import MusictkError
from musictk.generation import compose as composing
from musictk.generation.chosen_controls import ChosenControl, name_bars
from musictk.generation.compose import Composition
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Links
from musictk.jobs.bundles import ModelSource
from musictk.model.conditions import OTHER
from musictk.runtime import Runtime
from musictk.wording import counted


class SampleListener(composing.ComposeListener, Protocol):
    """Receives the progress of composing, and notices before it begins."""

    def notice(self, text: str) -> None:
        """A note for the user, as text."""


@dataclass(frozen=True)
class SampleRequest:
    """The pieces to compose. Options that are not set have the model's defaults."""

    source: ModelSource = field(default_factory=ModelSource)
    labels: Mapping[str, str] = field(default_factory=dict)  # category -> LABEL, LABEL:WEIGHT, …
    form: str = ""
    bars: int | str = 0  # their number; with `infill` which ones, such as "9-12" or "9-12,20"
    controls: tuple[ChosenControl, ...] = ()  # of bars; a later one replaces an earlier one
    seed: int | None = None  # None: a random one
    count: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)  # of `Sampling`: those that were set
    samplers: Links = ()
    # Music is a file, or what else `find_music` knows, such as "sample:3".
    prompt: str | Path | None = None  # music to continue
    theme: str | Path | None = None  # music to use as the first section of the form
    infill: str | Path | None = None  # music of which `bars` are written again
    keep: str = ""  # with `infill`: what is kept of these bars, "rhythm", "harmony", "melody"
    accompany: str | Path | None = None  # music beside which another part is written
    # With `accompany`: the tracks that are given; with `infill`: those that are written. "": all.
    track: str = ""
    program: str = ""  # with `accompany`: the instrument of the new part
    new_only: bool = False  # write the new bars without the prompt
    original: bool = False  # draw again what shares more with the training set than human music


@dataclass(frozen=True)
class Rewritten:
    """The bars of a given piece that were written again."""

    bars: tuple[tuple[int, int], ...]  # first and last of each range, counted from 1
    removed: int  # notes
    written: int  # notes
    nats: float  # per position that was written: lower is likelier
    left_out: int = 0  # notes for which a kept note of their pitch and channel left no room

    def __str__(self) -> str:
        """`bars 9-12, 20 rewritten, 31 notes removed, 28 written`."""
        removed = counted(self.removed, "note")
        text = f"{name_bars(self.bars)} rewritten, {removed} removed, {self.written:,} written"
        if self.left_out:
            text += f" ({self.left_out:,} left out: a kept note sounds there)"
        return text


@dataclass(frozen=True)
class SampleFile:
    """A file that was written."""

    id: int | None  # of its row in the catalog, for `sample --like ID`; None: it has no row
    path: Path
    composition: Composition  # of several ranges that were rewritten, the first
    source: str  # the name of the model
    runtime: str  # the name of the runtime that ran it
    rewritten: Rewritten | None = None  # None: the piece is new


@dataclass(frozen=True)
class SampleBatch:
    """The result of a request."""

    made: tuple[SampleFile, ...]  # candidates for rewritten bars: the likeliest first
    failed: tuple[MusictkError, ...] = ()  # of pieces that could not be written
    moved: tuple[MusictkError, ...] = ()  # of pieces that were written to another path
    folded: tuple[str, ...] = ()  # labels that share OTHER's vector
    notices: tuple[str, ...] = ()  # what the files do not represent, or why they are not stored
    slow: bool = False  # see `LoadedModel`


def draw_seed(seed: int | None) -> int:
    """The seed that was asked for, or a random one."""
    return secrets.randbits(31) if seed is None else seed


def folded(runtime: Runtime, request: PieceRequest) -> tuple[str, ...]:
    """The labels of a request that have too few training pieces for a vector of their own."""
    known = runtime.manifest.conditions
    return tuple(
        label
        for category, weighted in request.conditions.items()
        for label, _ in weighted
        if known.id(category, label) == 1 and label.upper() != OTHER
    )
