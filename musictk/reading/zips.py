"""Check the size of a zip file's central directory before it is read into memory."""

from __future__ import annotations

import struct
from typing import IO

from musictk.reading.decompress import ArchiveBudget
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError

_END, _END64 = b"PK\5\6", b"PK\6\6"
_MEMBER = struct.Struct("<4s16x2L3H12x")  # signature, packed and unpacked size, three lengths
_TAIL = struct.Struct("<4s8xLLH")  # the end record: signature, size and place of the list, comment
_TAIL64 = struct.Struct("<4s36xQQ")
_BEFORE = 20 + 56  # bytes of the zip64 records before the end record
_WHOLE = 0xFFFFFFFF  # in the end record if the size needs more than 32 bits


def check_directory(source: IO[bytes], limits: Limits, meter: ArchiveBudget) -> int:
    """The size of the archive in bytes. Raises RejectedError where it has too many members.

    Members are counted; the number in the end record is not trusted.
    """
    size = source.seek(0, 2)
    source.seek(max(0, size - _TAIL.size - 0xFFFF))
    tail = source.read()
    at = _end(tail)
    if at < 0:
        raise RejectedError(Reason.BAD_ARCHIVE, "not a zip file, or without a list of members")
    _, length, _, _ = _TAIL.unpack_from(tail, at)
    stop = size - len(tail) + at
    if length == _WHOLE or stop >= _BEFORE:
        source.seek(max(0, stop - _BEFORE))
        record = source.read(_TAIL64.size)
        if record[:4] == _END64 and len(record) == _TAIL64.size:
            _, length, _ = _TAIL64.unpack(record)
            stop -= _BEFORE
    if length > limits.directory:
        detail = f"its list of members takes more than {limits.directory} bytes"
        raise RejectedError(Reason.ARCHIVE_LIMIT, detail)
    if length > stop:
        raise RejectedError(Reason.BAD_ARCHIVE, "its list of members is truncated")
    _walk(source, stop - length, stop, limits, meter)
    source.seek(0)
    return size


def _walk(source: IO[bytes], start: int, stop: int, limits: Limits, meter: ArchiveBudget) -> None:
    """Count the members. Raises RejectedError for too many."""
    source.seek(start)
    count = unpacked = 0
    while start < stop:
        head = source.read(_MEMBER.size)
        if len(head) < _MEMBER.size:
            break
        signature, _, claimed, name, extra, comment = _MEMBER.unpack(head)
        if signature != b"PK\1\2":
            break  # zipfile reports the error
        count, unpacked = count + 1, unpacked + claimed
        source.seek(name + extra + comment, 1)
        start += _MEMBER.size + name + extra + comment
        if not count % 1024:
            meter.check_time()
            meter.check_density(count, stop)
            if count > limits.listed:
                detail = f"more than {limits.listed} members of all kinds"
                raise RejectedError(Reason.ARCHIVE_LIMIT, detail)
    meter.check_density(count, min(unpacked, stop))


def _end(tail: bytes) -> int:
    """The offset of the end record; -1 if there is none."""
    plain = len(tail) - _TAIL.size
    if plain >= 0 and tail[plain : plain + 4] == _END and tail.endswith(b"\0\0"):
        return plain
    at = tail.rfind(_END)
    return at if 0 <= at <= plain else -1
