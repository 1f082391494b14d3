"""The Architecture contract: a causal sequence body, hidden to hidden, with explicit state."""

# No `from __future__ import annotations`: torch.jit.script reads a class's annotations as types.

from typing import Any, ClassVar

from torch import Tensor, nn


class Architecture(nn.Module):
    """A causal body. It knows neither vocabularies nor composers; positions are its own affair.

    A subclass sets `name` and `Config`, a frozen dataclass with at least `dim`, `depth`, `heads`
    and `dropout`, and writes `begin` and `forward` so that they compile with `torch.jit.script`.

    State is a list of tensors, each (B, …) and of fixed shape, so rows can be stacked, selected and
    repeated along dimension 0, and rows may stand at different positions. `forward` may write into
    the state it is given: use only what it returns. One `forward` serves training (a state begun
    with capacity 0 keeps no past), prefill, stepping, TorchScript and ONNX. Keep the repeated
    layers in one `nn.ModuleList`, so that training can recompute or shard them one at a time.
    """

    Config: ClassVar[type]
    name: ClassVar[str]
    input_std: ClassVar[float] = 1.0  # standard deviation of what comes in, before any training

    dim: int  # D, the width of what goes in and comes out
    max_length: int  # the most positions one row may reach

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """The state before the first position, with room for `capacity` positions a row."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, T, D) -> (B, T, D), and the state after these T positions."""
        raise NotImplementedError
