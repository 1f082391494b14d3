"""The values of `--metre`: "steady", "free" or a metre of the model, such as "3/4"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musictk.errors import UsageError

if TYPE_CHECKING:
    from musictk.tokens import Tokenizer

STEADY, FREE = "steady", "free"
_NAMED = re.compile(r"[1-9]\d?/[1-9]\d?")


def is_metre(text: str) -> bool:
    """Whether `text` is a value of `Sampling.metre`."""
    return text in (STEADY, FREE) or _NAMED.fullmatch(text) is not None


def known_metres(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The metres in a model's vocabulary; () if it has none."""
    attribute = tokenizer.attributes().get("metre")
    return attribute.values if attribute else ()


def changes_metre(tokenizer: Tokenizer, sequence: NDArray[np.int64]) -> bool:
    """Whether tokens state more than one metre."""
    return len(set(_stated(tokenizer, sequence))) > 1


def last_metre(tokenizer: Tokenizer, sequence: NDArray[np.int64]) -> str:
    """The last metre that tokens state; "" where they state none."""
    found = _stated(tokenizer, sequence)
    return known_metres(tokenizer)[found[-1]] if found else ""


def _stated(tokenizer: Tokenizer, sequence: NDArray[np.int64]) -> list[int]:
    """The indices of the metres that tokens state, in their order."""
    attribute = tokenizer.attributes().get("metre")
    if attribute is None:
        return []
    stated = attribute.single()[sequence]
    return [int(index) for index in stated[stated >= 0]]


def find_metre(tokenizer: Tokenizer, metre: str) -> int | None:
    """The index of a named metre in the "metre" attribute; None for "steady" and "free".

    Raises UsageError, which lists the known metres, if the vocabulary lacks it.
    """
    if metre in (STEADY, FREE):
        return None
    known = known_metres(tokenizer)
    if not known:
        raise UsageError(
            f"--metre {metre} has no effect: the tokenizer {tokenizer.name} encodes no metre",
            "leave --metre out",
        )
    if metre not in known:
        raise UsageError(f"this model has no metre {metre}", f"choose from: {', '.join(known)}")
    return known.index(metre)
