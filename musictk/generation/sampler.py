"""The Sampler contract: one link of the chain between logits and the draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musictk.tokens import Tokenizer


class Sampler(ABC):
    """`logits (B, V), history (B, t) -> logits (B, V)`; -inf forbids.

    In a token space the V logits are of one softmax; in a frame space, of V independent Bernoullis,
    and history is (B, t, V): the last positions written, at most 256. A subclass sets `name` and
    `Config`, a frozen dataclass. What a token means is asked of `self.tokenizer`, such as which
    pitches it sounds: `tokenizer.pitches()`.
    """

    Config: ClassVar[type]
    name: ClassVar[str]

    def __init__(self, config: Any, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.space = tokenizer.space

    @abstractmethod
    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        """New logits; never all -inf where some were finite. Must not write into `logits`."""
