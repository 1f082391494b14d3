"""What a file may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that hold before anything of that size is allocated."""

    size: int = 16 << 20  # bytes of one file
    events: int = 2_000_000
    tracks: int = 8_192
    ticks: int = 2**31 - 1  # symusic counts ticks in 32 bits and wraps
    bars: int = 20_000
    tokens: int = 500_000  # as REMI would count them
    text: int = 4 << 20  # bytes of one text file
    seconds: float = 5.0  # of one file in a worker
    memory: int = 1 << 30  # bytes of a worker
    members: int = 200_000  # music files in one archive
    listed: int = 300_000  # files of any kind in a zip's list of members
    unpacked: int = 8 << 30  # bytes of one archive's members together
    expansion: int = 200  # times its size that an archive may unpack to, beyond `slack`
    slack: int = 64 << 20  # bytes that any archive may unpack to
    tiny: int = 5_000  # files that any archive may hold, whatever is in them
    dense: int = 128  # bytes of music for each file more
    archive_seconds: float = 8.0  # of processor time to read an archive, and
    rate: int = 4 << 20  # one more for so many bytes of music that came of it
    directory: int = 64 << 20  # bytes of a zip's list of members
