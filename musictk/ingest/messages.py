"""Channel messages as columns."""

from __future__ import annotations

from dataclasses import dataclass

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

    def take(self, rows: Ints) -> Messages:
        """The messages at these indices."""
        return Messages(*(values.take(rows) for values in vars(self).values()))
