"""Zip and tar archives, streamed member by member into memory; nothing is ever extracted."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from musictk.ingest.find import kind_of
from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, OSError)


@dataclass(frozen=True)
class Entry:
    """One file inside an archive: its bytes, or why they could not be had."""

    name: str
    kind: str
    data: bytes
    refused: RejectedError | None = None


def members(path: Path, limits: Limits) -> Iterator[Entry]:
    """The files worth examining in an archive, in its own order.

    Links, devices and folders are passed over; archives in archives too. Raises RejectedError for
    an archive that is broken, or beyond the limits: what came before it stands.
    """
    reader = _zip if path.name.lower().endswith(".zip") else _tar
    unpacked = 0
    try:
        for count, entry in enumerate(reader(path, limits)):
            if count >= limits.members:
                raise RejectedError(Reason.ARCHIVE_LIMIT, f"more than {limits.members} members")
            unpacked += len(entry.data)
            if unpacked > limits.unpacked:
                raise RejectedError(
                    Reason.ARCHIVE_LIMIT, f"more than {limits.unpacked} bytes unpacked"
                )
            yield entry
    except _BROKEN as error:
        raise RejectedError(Reason.BAD_ARCHIVE, str(error)[:200] or type(error).__name__) from error


def read_member(path: Path, name: str, limits: Limits) -> bytes:
    """The bytes of one member. Raises RejectedError where it is not there or cannot be read."""
    for entry in members(path, limits):
        if entry.name == name:
            if entry.refused is not None:
                raise entry.refused
            return entry.data
    raise RejectedError(Reason.UNREADABLE, f"no member {name!r}")


def _zip(path: Path, limits: Limits) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = _kind(info.filename)
            if info.is_dir() or kind is None:
                continue
            if info.flag_bits & 1:
                yield Entry(
                    info.filename, kind, b"", RejectedError(Reason.ENCRYPTED, "has a password")
                )
                continue
            try:
                with archive.open(info) as stream:
                    yield _read(info.filename, kind, stream, limits)
            except (*_BROKEN, NotImplementedError) as error:
                refused = RejectedError(Reason.UNREADABLE, str(error)[:200])
                yield Entry(info.filename, kind, b"", refused)


def _tar(path: Path, limits: Limits) -> Iterator[Entry]:
    with tarfile.open(path, "r|*", errorlevel=1) as archive:
        for info in archive:
            kind = _kind(info.name)
            if not info.isreg() or kind is None:
                continue
            stream = archive.extractfile(info)
            assert stream is not None  # it is a regular file
            yield _read(info.name, kind, stream, limits)


def _kind(name: str) -> str | None:
    kind = kind_of(PurePosixPath(name).name)
    return None if kind == "archive" else kind


def _read(name: str, kind: str, stream: IO[bytes], limits: Limits) -> Entry:
    data = stream.read(limits.size + 1)  # whatever size the archive claims
    if len(data) > limits.size:
        return Entry(
            name, kind, b"", RejectedError(Reason.TOO_LARGE, f"more than {limits.size} bytes")
        )
    return Entry(name, kind, data)
