"""Which channels are drums: the tenth, unless a file says otherwise after a GS, XG or GM2 reset.

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
    """The channels (16 × port + channel) that sound as drums."""
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
    """The channel a rhythm part is for: some writers count the upper ones one too high.

    That is so where the channel named has no notes, and the one below has some but no program
    other than 0, the standard kit.
    """
    notes = messages.command == 0x9
    below = messages.channel == channel - 1
    programs = messages.first[below & (messages.command == 0xC)]
    if channel <= _TENTH + 1 or (notes & (messages.channel == channel)).any() or programs.any():
        return channel
    return channel - 1 if (notes & below).any() else channel


def _plain(data: bytes) -> bytes:
    """Without the number of the device, which stands second and may be anything."""
    return data[:1] + data[2:]


def _part(data: bytes, system: str) -> tuple[int, bool] | None:
    """The channel a part-mode message is about, and whether it is to be drums."""
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
    """Channels whose bank, as it is when their first note sounds, says what they are."""
    found: dict[int, bool] = {}
    chosen = (messages.command == 0xB) & (messages.first == _BANK)
    for channel in sorted(set(messages.channel[chosen].tolist())):
        notes = (messages.command == 0x9) & (messages.channel == channel)
        first = messages.tick[notes].min(initial=2**40)
        here = np.flatnonzero(chosen & (messages.channel == channel) & (messages.tick <= first))
        if len(here) and (bank := int(messages.second[here[-1]])) in meanings:
            found[channel] = meanings[bank]
    return found
