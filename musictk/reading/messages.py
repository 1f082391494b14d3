"""Channel messages as numpy columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from musictk.reading import meta
from musictk.reading.events import Bytes, Events, Ints


@dataclass(frozen=True)
class ChannelMessages:
    """Channel messages in the order of the file, (N,) each; channels of all ports are distinct."""

    width: int  # number of channels: 16 per port
    part: Ints  # track × width + channel
    tick: Ints  # in the score
    command: Bytes  # 0x8 to 0xE
    first: Bytes  # data bytes
    second: Bytes

    def __len__(self) -> int:
        return len(self.tick)

    @cached_property
    def channel(self) -> Ints:
        """(N,) 16 × port + channel."""
        return self.part % self.width

    def take(self, rows: Ints) -> ChannelMessages:
        """The messages at these indices."""
        return ChannelMessages(
            width=self.width,
            part=self.part.take(rows),
            tick=self.tick.take(rows),
            command=self.command.take(rows),
            first=self.first.take(rows),
            second=self.second.take(rows),
        )


def channel_messages(events: Events, offsets: Ints) -> ChannelMessages:
    """The channel messages of a file; `offsets` (tracks,) are the ticks at which tracks begin."""
    ports = np.zeros(len(offsets), np.int64)
    for special in events.specials:
        if special.kind == meta.PORT and len(special.data) == 1:
            ports[special.track] = special.data[0]
    width = 16 * (int(ports.max(initial=0)) + 1)
    part = events.track * width
    part += events.status & 0xF
    if width > 16:
        part += 16 * ports[events.track]
    return ChannelMessages(
        width=width,
        part=part,
        tick=events.tick + offsets[events.track] if offsets.any() else events.tick,
        command=(events.status >> 4).astype(np.uint8, copy=False),
        first=events.first,
        second=events.second,
    )
