"""Which channels are drums: channel 10, unless a GS, XG or GM2 file sets it otherwise.

Sources: Roland's GS and Yamaha's XG format specifications; General MIDI 2 (RP-024).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musictk.reading.events import NonChannelEvent
from musictk.reading.messages import ChannelMessages

_TENTH = 9
_BANK = 0  # controller number of the bank's upper byte
_GM2, _XG, _GS = b"\x7e\x09\x03", b"\x43\x4c\x00\x00\x7e", b"\x41\x42\x12\x40\x00\x7f"
_RESETS = {_GM2: "GM2", _XG: "XG", _GS: "GS"}
_DRUM_BANKS = {"GM2": {120: True, 121: False}, "XG": {126: True, 127: True}, "GS": {}}


def drum_channels(specials: Sequence[NonChannelEvent], messages: ChannelMessages) -> set[int]:
    """The drum channels, as 16 × port + channel counted from 0."""
    drums = set(range(_TENTH, messages.width, 16))
    exclusive = [_plain(special.data) for special in specials if special.status == 0xF0]
    system = ""
    for data in exclusive:
        system = next((name for start, name in _RESETS.items() if data.startswith(start)), system)
    if not system:
        return drums
    for channel, is_drum in _banks(messages, _DRUM_BANKS[system]).items():
        drums = drums | {channel} if is_drum else drums - {channel}
    parts: dict[int, bool] = {}  # the last message about each channel, in the order of those
    for data in exclusive:
        if (part := _part(data, system)) is not None:
            channel, is_drum = part
            parts.pop(channel, None)
            parts[channel] = is_drum
    for channel, is_drum in parts.items():
        channel = _meant(channel, messages) if is_drum else channel
        drums = drums | {channel} if is_drum else drums - {channel}
    return drums


def _meant(channel: int, messages: ChannelMessages) -> int:
    """The channel that a rhythm part message refers to: some programs count the upper ones from 1.

    This is assumed if the given channel has no notes, and the one below has notes and no program
    other than 0, the standard kit.
    """
    notes = messages.command == 0x9
    below = messages.channel == channel - 1
    programs = messages.first[below & (messages.command == 0xC)]
    if channel <= _TENTH + 1 or (notes & (messages.channel == channel)).any() or programs.any():
        return channel
    return channel - 1 if (notes & below).any() else channel


def _plain(data: bytes) -> bytes:
    """The message without its second byte, the device number."""
    return data[:1] + data[2:]


def _part(data: bytes, system: str) -> tuple[int, bool] | None:
    """The channel of a part mode message, and whether the message makes it drums."""
    if (
        system == "GS"
        and len(data) > 6
        and data.startswith(b"\x41\x42\x12\x40")
        and data[5] == 0x15
    ):
        block = data[4] & 0xF  # the tenth part is block 0; blocks 1 to 9 are the parts before it
        channel = _TENTH if block == 0 else block - 1 if block < 10 else block
        return (channel, data[6] > 0) if data[4] >> 4 == 1 else None
    if system == "XG" and len(data) > 5 and data.startswith(b"\x43\x4c\x08") and data[4] == 0x07:
        return (data[3], data[5] > 0) if data[3] < 16 else None
    return None


def _banks(messages: ChannelMessages, meanings: dict[int, bool]) -> dict[int, bool]:
    """Whether channels are drums, by the bank in effect at their first note."""
    found: dict[int, bool] = {}
    chosen = (messages.command == 0xB) & (messages.first == _BANK)
    for channel in sorted(set(messages.channel[chosen].tolist())):
        notes = (messages.command == 0x9) & (messages.channel == channel)
        first = messages.tick[notes].min(initial=2**40)
        here = np.flatnonzero(chosen & (messages.channel == channel) & (messages.tick <= first))
        if len(here) and (bank := int(messages.second[here[-1]])) in meanings:
            found[channel] = meanings[bank]
    return found
