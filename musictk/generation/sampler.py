"""The Sampler contract: one link of the chain between logits and the draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError

if TYPE_CHECKING:
    from musictk.tokens import Tokenizer


class Sampler(ABC):
    """Changes logits before sampling.

    `logits (B, V), history (B, t) -> logits (B, V)`; -inf forbids.

    In a token space the V logits are of one softmax; in a frame space, of V independent Bernoullis,
    and history is (B, t, V): the last positions written, as many as the link of the chain that
    needs most (`history`). At the beginning of a piece there are fewer: t may be 0.

    A subclass sets `name` and `Config`, a frozen dataclass.
    `self.tokenizer.attributes()` describes the tokens, such as their pitches.
    """

    Config: ClassVar[type]
    name: ClassVar[str]
    history: int = 256  # positions that this link looks back

    def __init__(self, config: Any, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.space = tokenizer.space

    def check_made(self) -> None:
        """Raise MusictkError where `history` breaks the contract; called once."""
        length: Any = self.history
        if not isinstance(length, int) or length < 0:
            raise sampler_error(self, f"has the history {length!r}, no number of positions")

    @abstractmethod
    def __call__(self, logits: NDArray[np.float32], history: NDArray[Any]) -> NDArray[np.float32]:
        """New logits: no NaN, no +inf; of tokens, not all -inf where some were finite.

        What is -inf stays so. `logits` is read-only.
        """


def sampler_error(sampler: Sampler, what: str) -> MusictkError:
    """The error for a sampler that breaks its contract, such as "returned NaN"."""
    hint = "check its plugin with musictk.testing.samplers"
    return MusictkError(f"sampler {sampler.name!r} {what}", hint)
