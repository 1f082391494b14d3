"""Results of tokenizers, checked where they first arrive: they may be of a plugin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.tokens.contract import Tokenizer
from musictk.tokens.faults import allowed_fault, starts_fault, tokenizer_error
from musictk.tokens.grammar import Parser
from musictk.tokens.space import Tokens


def bar_starts(tokenizer: Tokenizer, sequence: NDArray[Any]) -> NDArray[np.int64]:
    """`tokenizer.bar_starts(sequence)`; raises MusictkError where they are no bar starts."""
    found = tokenizer.bar_starts(sequence)
    if fault := starts_fault(found, len(sequence)):
        raise tokenizer_error(tokenizer.name, f"breaks its contract: {fault}")
    return found


def allowed_by(parser: Parser, tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """`parser.allowed()`; raises MusictkError where it is no mask of the tokens."""
    found = parser.allowed()
    assert isinstance(tokenizer.space, Tokens)
    if fault := allowed_fault(found, tokenizer.space.size):
        raise tokenizer_error(tokenizer.name, f"breaks its contract: of its grammar, {fault}")
    return found
