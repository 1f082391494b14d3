"""Read zip and tar archives member by member into memory; nothing is extracted to disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from musictk.files import cause, open_regular
from musictk.reading.decompress import ArchiveBudget, DecompressedStream
from musictk.reading.kinds import RESOURCE_FOLDER, kind_of
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.tar import TarReader
from musictk.reading.zips import check_directory

_CHUNK = 1 << 16
# zipfile raises ValueError and others for invalid fields.
_BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, struct.error)
STRANGE = (*_BROKEN, ValueError, OverflowError, NotImplementedError, RuntimeError, LookupError)


@dataclass(frozen=True)
class ArchiveMember:
    """One file in an archive: its bytes, or why it is rejected."""

    name: str
    kind: str
    data: bytes
    refused: RejectedError | None = None


def read_members(path: Path, limits: Limits) -> Iterator[ArchiveMember]:
    """Yield the files of known kinds in an archive, in the order of the archive.

    Links, devices, folders and nested archives are skipped. Raises RejectedError for an archive
    that is damaged, not a regular file, or beyond the limits; members yielded before are valid.
    """
    meter = ArchiveBudget(limits)
    try:
        stream = open_regular(path)
    except OSError as error:
        raise RejectedError(Reason.UNREADABLE, cause(error)) from error
    with stream:
        try:
            reader = _zip if path.name.lower().endswith(".zip") else _tar
            for entry in reader(stream, limits, meter):
                meter.member(len(entry.data))
                meter.pause()
                yield entry
                meter.resume()
        except RejectedError:  # a ValueError too
            raise
        except STRANGE as error:
            raise RejectedError(Reason.BAD_ARCHIVE, cause(error)[:200]) from error


class MemberReader:
    """Reads members of archives by name.

    An archive is read once for all members that are asked for in its order, and again from its
    beginning for one that was passed. Of several members of one name the first counts.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._path: Path | None = None  # of the archive that is being read
        self._members: Iterator[ArchiveMember] = iter(())
        self._passed: set[str] = set()

    def read(self, path: Path, name: str) -> bytes:
        """The bytes of one member. Raises RejectedError where it is missing or unreadable."""
        if path != self._path or name in self._passed:
            self._path, self._passed = path, set()
            self._members = read_members(path, self._limits)
        try:
            member = self._find(name)
        except RejectedError:
            self._path = None
            raise
        if member.refused is not None:
            raise member.refused
        return member.data

    def _find(self, name: str) -> ArchiveMember:
        for member in self._members:
            if member.name not in self._passed:
                self._passed.add(member.name)
                if member.name == name:
                    return member
        raise RejectedError(Reason.UNREADABLE, f"no member {name!r}")


def _zip(source: IO[bytes], limits: Limits, meter: ArchiveBudget) -> Iterator[ArchiveMember]:
    size = check_directory(source, limits, meter)
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            kind = member_kind(info.filename)
            if info.is_dir() or kind is None:
                continue
            if info.flag_bits & 1:
                refused = RejectedError(Reason.ENCRYPTED, "has a password")
                yield ArchiveMember(info.filename, kind, b"", refused)
                continue
            try:
                with archive.open(info) as stream:
                    data = _unpacked(stream, limits, meter, size)
                entry = _too_large(info.filename, kind, limits)
                if len(data) <= limits.size:
                    entry = ArchiveMember(info.filename, kind, data)
            except RejectedError:
                raise
            except STRANGE as error:
                refused = RejectedError(Reason.UNREADABLE, cause(error)[:200])
                entry = ArchiveMember(info.filename, kind, b"", refused)
            yield entry


def _tar(source: IO[bytes], limits: Limits, meter: ArchiveBudget) -> Iterator[ArchiveMember]:
    archive = TarReader(DecompressedStream(source, meter))
    for header in archive:
        kind = member_kind(header.name)
        if not header.plain or kind is None:
            continue
        if header.size > limits.size:
            yield _too_large(header.name, kind, limits)
        else:
            yield ArchiveMember(header.name, kind, archive.read(header.size))


def member_kind(name: str) -> str | None:
    """The kind of a member; None for other files, nested archives and resource forks."""
    path = PurePosixPath(name)
    kind = None if RESOURCE_FOLDER in path.parts else kind_of(path.name)
    return None if kind == "archive" else kind


def _unpacked(stream: IO[bytes], limits: Limits, meter: ArchiveBudget, packed: int) -> bytes:
    """At most one byte above the limit, whatever size the archive declares."""
    parts, room = [], limits.size + 1
    while room and (part := stream.read(min(room, _CHUNK))):
        meter.count(len(part), packed)
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _too_large(name: str, kind: str, limits: Limits) -> ArchiveMember:
    refused = RejectedError(Reason.TOO_LARGE, f"more than {limits.size} bytes")
    return ArchiveMember(name, kind, b"", refused)
