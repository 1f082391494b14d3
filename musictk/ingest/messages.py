"""Channel messages as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from musictk.ingest.events import Bytes, Ints


@dataclass(frozen=True)
class Messages:
    """Channel messages in the order of the file, (N,) each; the channels of all ports apart."""

    track: Ints
    tick: Ints  # in the score
    channel: Ints  # 16 × port + channel
    command: Bytes  # 0x8 to 0xE
    first: Bytes  # data bytes
    second: Bytes

    def __len__(self) -> int:
        return len(self.tick)

    def where(self, chosen: NDArray[Any]) -> Messages:
        """The messages at these indices, or where a mask is true."""
        return Messages(*(values[chosen] for values in vars(self).values()))
