"""The values of bar controls, as far as a model can write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Control, returned
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.generation.metres import known_metres
from musictk.tokens import METRE, Tokenizer


def parse_value(control: Control, tokenizer: Tokenizer, text: str) -> NDArray[np.uint8]:
    """(parts,) ids of what the user wrote for one bar.

    Raises UsageError for a value that does not exist, or that the tokenizer cannot write; it offers
    only values that it can.
    """
    try:
        ids = returned.parsed(control, text)
        returned.allowed(control, tokenizer, ids)
    except UnknownNameError as error:
        if control.name == METRE and error.name in known_metres(tokenizer):
            raise UsageError(
                f"the metre {error.name} cannot be chosen for single bars",
                f"choose it for the whole piece: --metre {error.name}",
            ) from error
        missing = {value for value in control.values if not _can_write(control, tokenizer, value)}
        if not missing:
            raise
        known = [value for value in error.known if value not in missing]
        raise UnknownNameError(control.name, error.name, known) from error
    return ids


def _can_write(control: Control, tokenizer: Tokenizer, value: str) -> bool:
    """Whether a tokenizer can write music with one of a control's values."""
    try:
        returned.allowed(control, tokenizer, returned.parsed(control, value))
    except MusictkError:
        return False
    return True
