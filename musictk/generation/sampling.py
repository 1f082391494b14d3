"""The dials of sampling: `musictk sample`'s flags, a preset's [sample] table, a bundle's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from musictk.config import Rules, build, require_all
from musictk.generation.metres import STEADY, is_metre

Links = tuple[tuple[str, dict[str, Any]], ...]
LEAST = 16  # positions of memory, or of a piece


@dataclass(frozen=True)
class Sampling:
    """How a piece is drawn, what it remembers of itself (docs: form) and where it ends."""

    temperature: float = 0.95  # above 1 is wilder; 0 always takes the likeliest
    top_k: int = 0  # only the k likeliest; 0 is all
    top_p: float = 0.95  # only the likeliest that make up p
    min_p: float = 0.0  # only what is as likely as p times the best
    guidance: float = 1.5  # s of u + s (c - u); 1 is plain conditioning
    variation: float = 0.3  # of returning sections: 0 repeats exactly, 1 only remembers
    contrast: float = 0.0  # how far a new section turns from what it would owe the old ones
    blend: float = 0.5  # weight of the theme's context once it is fully in
    ramp: int = 2  # bars over which that weight rises
    figure: float = 0.5  # bars: how long a departure from the theme lasts on average
    memory: int = 0  # sequence memory: the most positions a context holds; 0: as it was trained
    metre: str = STEADY  # the first bar's holds; "free": it may change; "3/4": this one holds
    prompt_tokens: int = 0  # the model hears the last so many of a prompt; 0 is all
    max_tokens: int = 0  # tokens (or frames) after the prompt; 0: until the bars are written

    def __post_init__(self) -> None:
        require_all(_RULES, vars(self), "sample")

    @property
    def chain(self) -> Links:
        """Samplers in their customary order, without those that would change nothing."""
        links: list[tuple[str, dict[str, Any]]] = []
        if self.temperature != 1:
            links.append(("temperature", {"temperature": self.temperature}))
        if self.top_k > 0:
            links.append(("top-k", {"k": self.top_k}))
        if self.top_p < 1:
            links.append(("top-p", {"p": self.top_p}))
        if self.min_p > 0:
            links.append(("min-p", {"p": self.min_p}))
        return tuple(links)


def settle(own: Mapping[str, Any], given: Mapping[str, Any], planned: bool) -> Sampling:
    """A model's own dials under those that were `given`; the usual where neither speaks.

    Where bars or a form are `planned`, they say where the piece ends: not the model's own
    `max_tokens`.
    """
    kept = {key: value for key, value in own.items() if not (planned and key == "max_tokens")}
    return build(Sampling, {**kept, **given}, "sample")


_RULES: Rules = (
    ("temperature", lambda value: 0 <= value < inf, "at least 0"),
    ("top_k ramp prompt_tokens", lambda value: value >= 0, "at least 0"),
    ("min_p variation blend", lambda value: 0 <= value <= 1, "from 0 to 1"),
    ("top_p", lambda value: 0 < value <= 1, "above 0 and at most 1"),
    ("guidance", lambda value: 0 <= value <= 100, "from 0 to 100"),
    ("contrast", lambda value: 0 <= value <= 4, "from 0 to 4"),
    ("figure", lambda value: 0 < value < inf, "above 0"),
    ("metre", is_metre, "steady, free or a metre such as 3/4"),
    ("memory max_tokens", lambda value: value == 0 or value >= LEAST, f"0 or at least {LEAST}"),
)
