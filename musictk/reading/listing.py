"""List the members of an archive, and read the small ones that are tables."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from musictk.files import open_regular
from musictk.reading.archives import STRANGE, member_kind
from musictk.reading.decompress import ArchiveBudget, DecompressedStream
from musictk.reading.kinds import RESOURCE_FOLDER
from musictk.reading.limits import Limits
from musictk.reading.tar import TarReader
from musictk.reading.zips import check_directory

_TABLE = 64 << 20  # bytes of one table
_TABLES = 20  # tables of one archive


@dataclass
class ArchiveListing:
    """What an archive contains, as far as it can be read."""

    names: list[str] = field(default_factory=list)  # of music files
    tables: dict[str, bytes] = field(default_factory=dict)


def list_members(path: Path, limits: Limits, is_table: Callable[[str], bool]) -> ArchiveListing:
    """The names of the music files in an archive, and the tables beside them.

    A damaged archive is listed up to the damage; `read_members` reports it.
    """
    listing = ArchiveListing()
    meter = ArchiveBudget(limits)
    try:
        with open_regular(path) as stream:
            lister = _zip if path.name.lower().endswith(".zip") else _tar
            lister(stream, limits, meter, listing, is_table)
    except STRANGE:  # RejectedError too
        pass
    return listing


def _zip(
    source: IO[bytes],
    limits: Limits,
    meter: ArchiveBudget,
    listing: ArchiveListing,
    is_table: Callable[[str], bool],
) -> None:
    packed = check_directory(source, limits, meter)
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if _is_music(info.filename) and not info.is_dir():
                listing.names.append(info.filename)
            elif _wanted(info.filename, info.file_size, listing, is_table):
                with archive.open(info) as stream:
                    listing.tables[info.filename] = stream.read(_TABLE)
                meter.count(len(listing.tables[info.filename]), packed)


def _tar(
    source: IO[bytes],
    limits: Limits,
    meter: ArchiveBudget,
    listing: ArchiveListing,
    is_table: Callable[[str], bool],
) -> None:
    archive = TarReader(DecompressedStream(source, meter))
    for header in archive:
        if not header.plain:
            continue
        if _is_music(header.name):
            listing.names.append(header.name)
            meter.member(min(header.size, limits.size))
        elif _wanted(header.name, header.size, listing, is_table):
            listing.tables[header.name] = archive.read(header.size)


def _is_music(name: str) -> bool:
    return member_kind(name) is not None


def _wanted(name: str, size: int, listing: ArchiveListing, is_table: Callable[[str], bool]) -> bool:
    path = PurePosixPath(name)
    few = len(listing.tables) < _TABLES and size <= _TABLE
    return few and RESOURCE_FOLDER not in path.parts and is_table(path.name)
