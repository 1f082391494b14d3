"""The values of `--metre`: "steady", "free" or a metre of the model, such as "3/4"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


def find_metre(tokenizer: Tokenizer, metre: str) -> int | None:
    """The index of a named metre in the "metre" attribute; None for "steady" and "free".

    Raises UsageError, which lists the known metres, if the vocabulary lacks it.
    """
    if metre in (STEADY, FREE):
        return None
    known = known_metres(tokenizer)
    if not known:
        raise UsageError(
            f"this model's tokenizer, {tokenizer.name}, has no metres to choose {metre} from",
            "leave --metre out",
        )
    if metre not in known:
        raise UsageError(
            f"this model does not know the metre {metre}", f"it knows {', '.join(known)}"
        )
    return known.index(metre)
