"""A causal convolution over the last few positions, added to its input."""

from __future__ import annotations

from torch import Tensor, nn

from musictk.model.windowed import append_past


class History(nn.Module):
    """Add to each position a learned linear mix of itself and the `length` - 1 before it.

    So the first layer already compares a position with its past. The mix starts at zero. The state
    is the last length - 1 inputs (B, length - 1, D).
    """

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.past = length - 1
        self.convolution = nn.Conv1d(dim, dim, length, bias=False)
        nn.init.zeros_(self.convolution.weight)

    def begin(self, batch: int, capacity: int) -> list[Tensor]:
        """Zeros (B, length - 1, D); empty without capacity."""
        weight = self.convolution.weight
        return [weight.new_zeros(batch, self.past if capacity > 0 else 0, weight.shape[1])]

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) and the state -> (B, T, D) and the new state."""
        joined, past = append_past(past, x, self.past)
        mixed = self.convolution(joined.transpose(1, 2)).transpose(1, 2)
        return x + mixed.to(x.dtype), past
