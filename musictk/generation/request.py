"""A complete request for pieces: equal requests on one machine give equal pieces, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.form import BARS, MOST_BARS, Form, Section, parse
from musictk.generation.keep import KEEPS
from musictk.generation.sampling import Links, Sampling
from musictk.keys import KEYS, find_key
from musictk.tokens import METRE, Frames, Space

_BAR_LIMIT = 512  # of every piece of an earlier version
Weighted = tuple[tuple[str, float], ...]  # labels of one category, mixed


@dataclass(frozen=True)
class PieceRequest:
    """Everything a piece depends on, except the bundle. JSON-able: `plain` and `read`.

    `conditions` are weighted labels per category. `form` "" is one section of `bars` bars.
    `bars` 0 is the default: 8 for each section of a form, with a theme as many as the theme has;
    16 for a piece without a form (as many as needed where `sampling.max_tokens` limits the piece,
    as the given part has where there is one).
    """

    conditions: Mapping[str, Weighted] = field(default_factory=dict)
    form: str = ""
    bars: int = 0
    seed: int = 0
    count: int = 1  # pieces; each has its own random numbers
    sampling: Sampling = field(default_factory=Sampling)
    samplers: Links = ()  # added after those of `sampling`
    controls: tuple[ChosenControl, ...] = ()  # of bars; a later one replaces an earlier one
    after: tuple[Any, ...] = ()  # the music that follows the piece, as `prompt`
    # Another part, which is given, as `prompt`: of the bars of the prompt, then of those to write.
    beside: tuple[Any, ...] = ()
    following: int = 0  # bars that follow those of `after`, which the model is not given
    positions: int = 0  # of the new music, where it ends within its last bar; else 0
    ends_in: str = ""  # the key of its end where no control gives it; "": that of its music
    original: tuple[Any, ...] = ()  # the bars that are rewritten, as `prompt`
    keep: str = ""  # what is kept of `original`: one of KEEPS
    prompt: tuple[Any, ...] = ()  # ids, or the sounding pitches of each frame: see `to_prompt`
    whole: bool = False  # the prompt ends at a bar line, where a new bar must begin
    theme: int = 0  # bars of the prompt where it is the first section of the form; else 0

    def __post_init__(self) -> None:
        limits = {"bars": (0, MOST_BARS), "count": (1, None), "seed": (0, 2**63 - 1)}
        limits |= {"following": (0, None), "positions": (0, None)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise UsageError(f"{name}={value!r} must be a whole number")
            if value < low or (high is not None and value > high):
                allowed = f"at least {low}" if high is None else f"from {low} to {high}"
                raise UsageError(f"{name}={value} must be {allowed}")
        if self.beside and (self.form.strip() or self.theme):
            raise UsageError("a part beside a given one has no form and no theme", "leave them out")
        if self.beside and self.prompt and not self.whole:
            raise UsageError("a prompt beside a given part has whole bars", "set whole=True")
        if self.ends_in and find_key(self.ends_in) is None:
            raise UnknownNameError("key", self.ends_in, KEYS)
        if self.keep not in KEEPS:
            raise UnknownNameError("part of music to keep", self.keep, filter(None, KEEPS))
        if self.keep and not self.original:
            raise UsageError(f"there is no music of which to keep the {self.keep}")
        self.plan()

    @property
    def used_prompt(self) -> tuple[Any, ...]:
        """The part of the prompt that the model gets; a prompt of whole bars is already cut."""
        most = 0 if self.whole else self.sampling.prompt_tokens
        return self.prompt[-most:] if most else self.prompt

    @property
    def first_metre(self) -> tuple[ChosenControl, ...]:
        """`metre` of the sampling options for the first bar, where others have one of their own.

        Without one the first bar would have that of the second: see the control `metre`.
        """
        named = "/" in self.sampling.metre and any(one.name == METRE for one in self.controls)
        return (ChosenControl("1", METRE, self.sampling.metre),) if named else ()

    @property
    def planned(self) -> bool:
        """Whether a form or bars were given."""
        return bool(self.form.strip() or self.bars)

    def plan(self) -> Form:
        """The form of the piece. Raises UsageError if parts of the request conflict."""
        if self.theme:
            return self._themed()
        if self.form.strip():
            form = parse(self.form, self.bars or BARS)
            if self.bars and form == parse(self.form, self.bars - 1 or 2):
                raise UsageError(
                    f"every section of {self.form!r} gives its bars: --bars has no effect",
                    "leave --bars out",
                )
            return form
        endless = MOST_BARS if self.sampling.max_tokens else 2 * BARS
        return Form((Section("A", self.bars or endless),))

    def _themed(self) -> Form:
        """The first section and its returns are as long as the theme; by default the others too."""
        usual = self.bars or min(self.theme, MOST_BARS)
        form, other = (parse(self.form or "A", bars) for bars in (usual, usual % MOST_BARS + 1))
        label, sections = form.sections[0].label, []
        if "A" in (section.label for section in form.sections) and label != "A":
            raise UsageError(
                f"the theme is section A, and {self.form!r} begins with {label}",
                "begin the form with A",
            )
        if len(form.sections) == 1:
            raise UsageError("the form has only the theme", "give --form ABA")
        for section, changed in zip(form.sections, other.sections, strict=True):
            if section.label == label:
                if section.bars == changed.bars != self.theme:
                    raise UsageError(
                        f"section {label} is the theme, which has {self.theme} bars,"
                        f" not {section.bars}",
                        f"write {label} without a number",
                    )
                section = replace(section, bars=self.theme)
            sections.append(section)
        return Form(tuple(sections))

    def plain(self) -> dict[str, Any]:
        """JSON-able; `PieceRequest.read` reads it back."""
        return plain(self)

    @staticmethod
    def read(value: Mapping[str, Any]) -> PieceRequest:
        """The inverse of `plain`. Raises UsageError for unknown keys and invalid values.

        Rows of earlier versions have the key `bar_limit`.
        """
        value = dict(value)
        limit = value.pop("bar_limit", _BAR_LIMIT)
        if limit != _BAR_LIMIT:
            raise UsageError(f"bar_limit={limit!r} must be {_BAR_LIMIT}", "sample the piece again")
        # Level by level, so that the error names an unknown key at any depth.
        sampling = build(Sampling, value.get("sampling", {}), "sample")
        return build(PieceRequest, {**value, "sampling": sampling}, "request")


def to_prompt(sequence: NDArray[Any]) -> tuple[Any, ...]:
    """An encoded piece, (T,) ids or (T, W) frames, as stored in a request."""
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
