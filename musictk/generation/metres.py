"""The metres that a model can be asked for, by the name that musicians give them."""

from __future__ import annotations

import re

import numpy as np
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.tokens import Tokenizer

STEADY, FREE = "steady", "free"
_NAMED = re.compile(r"[1-9]\d?/[1-9]\d?")


def is_metre(text: str) -> bool:
    """Whether `text` is a setting of `Sampling.metre`."""
    return text in (STEADY, FREE) or _NAMED.fullmatch(text) is not None


def known_metres(tokenizer: Tokenizer) -> dict[str, int]:
    """The metres of a vocabulary by name, such as "3/4", as the numbers of `Tokenizer.metres`.

    Asked of the tokenizer: the metre that a token says is the one of the music it decodes to.
    """
    said = tokenizer.metres()
    found: dict[str, int] = {}
    for number in [] if said is None else np.unique(said[said > 0]).tolist():
        token = np.flatnonzero(said == number)[:1]
        music = tokenizer.decode(token)
        if isinstance(music, ScoreTick) and len(music.time_signatures):
            sign = music.time_signatures[-1]
            found.setdefault(f"{sign.numerator}/{sign.denominator}", number)
    return found


def wanted(tokenizer: Tokenizer, metre: str) -> int:
    """The number of the metre that is asked for by name; 0 for "steady" and "free".

    Raises UsageError that says what there is.
    """
    if metre in (STEADY, FREE):
        return 0
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
    return known[metre]
