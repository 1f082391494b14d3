"""The options of sampling. Each is one field of `Sampling`; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from typing import Any

from musictk.config import build, require
from musictk.generation.metres import STEADY, is_metre

Links = tuple[tuple[str, dict[str, Any]], ...]
LEAST = 16  # minimum of `memory` and `max_tokens`, in positions


@dataclass(frozen=True)
class OptionInfo:
    """The help of an option, and its valid values."""

    help: str
    low: float  # minimum, for numbers
    high: float  # maximum; inf: none
    allowed: str  # the values, in words
    check: Callable[[Any], bool] | None  # a condition besides the range

    def takes(self, value: Any) -> bool:
        """Whether `value` is valid."""
        number = not isinstance(value, str)
        if number and not (isfinite(value) and self.low <= value <= self.high):
            return False
        return self.check is None or self.check(value)


def option(
    default: Any,
    help: str,
    low: float = 0,
    high: float = inf,
    allowed: str = "",
    check: Callable[[Any], bool] | None = None,
) -> Any:
    """A field of `Sampling`. `allowed` describes the valid values if the range does not."""
    allowed = allowed or (f"at least {low}" if high == inf else f"from {low} to {high}")
    return field(default=default, metadata={"option": OptionInfo(help, low, high, allowed, check)})


def _positive(value: float) -> bool:
    return value > 0


def _enough(value: int) -> bool:
    return value == 0 or value >= LEAST


@dataclass(frozen=True)
class Sampling:
    """How a piece is sampled, how it uses memory and form, and where it ends.

    To add an option, add a field here: its annotation, default, help and range make the flag of
    `musictk sample`, its environment variable and line in `musictk.toml`, the key under [sample] in
    presets and bundles, and the key in stored requests. Then use it where it takes effect.
    """

    temperature: float = option(0.95, "Softmax temperature; higher is more random (0: greedy).")
    top_k: int = option(0, "Top-k sampling (0 disables).")
    top_p: float = option(
        0.95,
        "Nucleus (top-p) sampling (1 disables).",
        high=1,
        allowed="above 0 and at most 1",
        check=_positive,
    )
    min_p: float = option(0.0, "Drop tokens below p times the most likely (0 disables).", high=1)
    guidance: float = option(1.5, "Classifier-free guidance scale (1 disables).", high=100)
    variation: float = option(
        0.3, "How much a returning section varies (0: exact repeat; 1: free).", high=1
    )
    contrast: float = option(
        0.0, "Make new sections differ from earlier ones (0 disables).", high=4
    )
    metre: str = option(
        STEADY,
        "Metre: steady (that of the first bar), free, or fixed, such as 3/4.",
        allowed="steady, free or a metre such as 3/4",
        check=is_metre,
    )
    blend: float = option(0.5, "Influence of the original section on its return.", high=1)
    ramp: int = option(2, "Bars over which --blend rises to its full weight.")
    figure: float = option(
        0.5,
        "Mean length of a passage that varies the theme, in bars.",
        allowed="above 0",
        check=_positive,
    )
    memory: int = option(
        0,
        "Context length, in tokens or frames (0: as in training).",
        allowed=f"0 or at least {LEAST}",
        check=_enough,
    )
    prompt_tokens: int = option(0, "Use only the last N tokens of the prompt (0: all).")
    max_tokens: int = option(
        0,
        "Stop after N new tokens (0: when all bars are written).",
        allowed=f"0 or at least {LEAST}",
        check=_enough,
    )

    def __post_init__(self) -> None:
        for name, info in options().items():
            value = getattr(self, name)
            require(info.takes(value), "sample", name, value, info.allowed)

    @property
    def chain(self) -> Links:
        """Samplers in the usual order, without those that would change nothing."""
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


def options() -> Mapping[str, OptionInfo]:
    """Every option of `Sampling`, by name, in order."""
    return {each.name: each.metadata["option"] for each in fields(Sampling)}


def resolve_sampling(saved: Mapping[str, Any], given: Mapping[str, Any], planned: bool) -> Sampling:
    """The options that were `given`, else those `saved` with the model, else the defaults.

    If bars or a form are `planned`, they define where the piece ends, and the model's saved
    `max_tokens` is ignored.
    """
    kept = {key: value for key, value in saved.items() if not (planned and key == "max_tokens")}
    return build(Sampling, {**kept, **given}, "sample")
