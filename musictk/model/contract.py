"""The Architecture contract: a causal backbone, hidden to hidden, with explicit state."""

# No `from __future__ import annotations`: torch.jit.script reads a class's annotations as types.

from typing import Any, ClassVar

from torch import Tensor, nn


class Architecture(nn.Module):
    """A causal backbone: the sequence model between the stem and the head of a `Network`.

    It sees hidden vectors only, no vocabulary and no labels, and encodes positions itself. A
    network calls it `body`, and so do the names of stored weights.

    A subclass sets `name` and `Config`, a frozen dataclass with at least `dim`, `depth`, `heads`,
    `dropout` and `max_length`. Its `__init__` calls `super().__init__(config)`, and sets `self.dim`
    and `self.max_length`. `torch.jit.script` must be able to compile its `begin` and `forward`.

    The state is a list of tensors (B, …) of fixed shape. Rows can be stacked, selected and repeated
    along dimension 0, and may be at different positions. `forward` may write into the state it is
    given: use only the state it returns. One `forward` serves training (with capacity 0 the state
    keeps no past), prefill, stepping, TorchScript and ONNX. Keep the repeated layers in one
    `nn.ModuleList`, so that training can recompute or shard them one at a time.
    """

    Config: ClassVar[type]
    name: ClassVar[str]
    input_std: ClassVar[float] = 1.0  # standard deviation of the input before training

    set_by_init: ClassVar[tuple[str, ...]] = ("config", "dim", "max_length")
    dim: int  # D, the width of input and output
    max_length: int  # the maximum number of positions of a row

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state before the first position, with room for `capacity` positions per row."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the state after these T positions."""
        raise NotImplementedError

    def for_export(self) -> "Architecture":
        """The same function for the exporter to ONNX, such as with fewer operations in a step.

        It has the weights of this one, which stays as it is. Its state may be laid out otherwise.
        """
        return self
