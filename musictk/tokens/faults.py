"""What is wrong with what a tokenizer returns, in words; "" if nothing is.

Used where it first arrives, and by the laws of `musictk.testing.tokenizers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.tokens.space import Frames, Space, Tokens

HINT = "check its plugin with musictk.testing.tokenizers"


def tokenizer_error(name: str, what: str) -> MusictkError:
    """The error for a tokenizer that breaks its contract, such as "has no space"."""
    return MusictkError(f"tokenizer {name!r} {what}", HINT)


def encoding_fault(sequence: Any, space: Space) -> str:
    """What is wrong with an encoding: its type or its shape; "" if nothing is."""
    width = space.width if isinstance(space, Frames) else None
    wanted = "an array of (T,) ids" if width is None else f"an array of (T, {width}) frames"
    if not isinstance(sequence, np.ndarray):
        return f"encode returned {type(sequence).__name__} instead of {wanted}"
    fits = sequence.ndim == 1 if width is None else sequence.shape[1:] == (width,)
    if not fits or sequence.dtype.kind not in "iub":
        return f"encode returned {sequence.dtype} of shape {sequence.shape} instead of {wanted}"
    return ""


def id_fault(sequence: NDArray[Any], space: Space) -> str:
    """What is wrong with the ids of an encoding; "" if nothing is, and for frames."""
    if not isinstance(space, Tokens) or not len(sequence):
        return ""
    for found in (int(sequence.min()), int(sequence.max())):
        if not 0 <= found < space.size:
            return f"id {found} is outside a vocabulary of {space.size}"
    for name, special in (("pad", space.pad), ("bos", space.bos), ("eos", space.eos)):
        if (sequence == special).any():
            return f"{name} (id {special}) is inside an encoding"
    return ""


def starts_fault(starts: Any, length: int) -> str:
    """What is wrong with the bar starts of a sequence of this length; "" if nothing is."""
    if not isinstance(starts, np.ndarray):
        return f"bar_starts gives {type(starts).__name__}, no array"
    if starts.dtype.kind != "i":
        return f"bar_starts gives {starts.dtype} and not integers"
    if starts.ndim != 1:
        return f"bar_starts gives an array of shape {starts.shape} and not (N,)"
    if not (starts[1:] > starts[:-1]).all():
        return "bar_starts are not ascending"
    if len(starts) and not 0 <= starts[0] <= starts[-1] < length:
        return "bar_starts are outside the sequence"
    return ""


def allowed_fault(allowed: Any, size: int) -> str:
    """What is wrong with what a parser allows; "" if nothing is. Cheap, for every token."""
    if not isinstance(allowed, np.ndarray):
        return f"allowed() is {type(allowed).__name__} and not an array"
    if allowed.shape != (size,):
        return f"allowed() is {allowed.shape} and not ({size},)"
    return "" if allowed.dtype == np.bool_ else f"allowed() is {allowed.dtype} and not bool"
