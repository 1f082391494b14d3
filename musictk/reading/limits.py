"""Limits on the size and the cost of one file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits that are checked before anything of that size is allocated."""

    size: int = 16 << 20  # bytes of one file
    events: int = 2_000_000
    tracks: int = 8_192
    ticks: int = 2**31 - 1  # symusic counts ticks in 32 bits and wraps
    bars: int = 20_000
    tokens: int = 500_000  # estimated for REMI
    text: int = 4 << 20  # bytes of one text file
    seconds: float = 5.0  # for one file in a worker
    memory: int = 1 << 30  # bytes of a worker
    members: int = 200_000  # music files in one archive
    listed: int = 300_000  # files of any kind in a zip's list of members
    unpacked: int = 8 << 30  # bytes of all members of one archive
    expansion: int = 200  # compression ratio of an archive, beyond `slack`
    slack: int = 64 << 20  # bytes that any archive may unpack to
    tiny: int = 5_000  # files that any archive may contain, whatever their size
    dense: int = 128  # bytes of music for every further file
    archive_seconds: float = 8.0  # seconds of CPU time to read an archive
    rate: int = 4 << 20  # bytes of music read from it that allow one more second
    directory: int = 64 << 20  # bytes of a zip's list of members
