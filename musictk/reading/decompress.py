"""Decompress untrusted archives within a budget."""

from __future__ import annotations

import bz2
import lzma
import time
import zlib
from collections.abc import Callable
from typing import IO, Protocol

from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError

_CHUNK = 1 << 16
_DICTIONARY = 128 << 20  # bytes of memory for xz; its own highest preset takes 65 MiB


class ArchiveBudget:
    """Counts the cost of reading one archive; raises RejectedError beyond the limits.

    CPU time counts only between `resume` and `pause`: the time spent on processing a member is
    excluded.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = self._members = self._music = 0
        self._spent, self._since = 0.0, time.thread_time()

    def resume(self) -> None:
        self._since = time.thread_time()

    def pause(self) -> None:
        self._spent += time.thread_time() - self._since

    def count(self, unpacked: int, packed: int) -> None:
        """Add `unpacked` bytes, with `packed` bytes of the archive read in total."""
        limits = self._limits
        self._bytes += unpacked
        if self._bytes > limits.unpacked:
            raise _beyond(f"more than {limits.unpacked} bytes unpacked")
        if self._bytes > limits.slack + limits.expansion * packed:
            raise _beyond(f"it unpacks to more than {limits.expansion} times its size")
        self.check_time()

    def member(self, size: int) -> None:
        """Add one member of `size` bytes. Many nearly empty files are not music."""
        self._members += 1
        self._music += size
        if self._members > self._limits.members:
            raise _beyond(f"more than {self._limits.members} members")
        self.check_density(self._members, self._music)
        self.check_time()

    def check_density(self, count: int, size: int) -> None:
        """Raise RejectedError if `count` members have too few bytes (`size`) in total."""
        if count > self._limits.tiny + size // self._limits.dense:
            raise _beyond(f"more than {self._limits.tiny} nearly empty members")

    def check_time(self) -> None:
        """Raise RejectedError if reading took too long for the bytes of music read."""
        allowed = self._limits.archive_seconds + self._music / self._limits.rate
        if self._spent + time.thread_time() - self._since > allowed:
            raise _beyond(f"reading it takes more than {allowed:.0f} s")


class _Decompressor(Protocol):
    """The common interface of bz2 and lzma decompressors."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Gzip:
    """zlib with the same interface."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_DICTIONARY)


_KINDS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", _xz),
    (b"\x5d\0\0", _xz),
)


class DecompressedStream:
    """The bytes of a file, decompressed if it is compressed with gzip, bzip2, xz or lzma. Forward
    reading only."""

    def __init__(self, source: IO[bytes], meter: ArchiveBudget) -> None:
        self._source, self._meter = source, meter
        self._input = source.read(_CHUNK)
        self._packed = len(self._input)
        self._make = next((make for head, make in _KINDS if self._input.startswith(head)), None)
        self._stream = self._make() if self._make else None
        self._left = b""  # decompressed, not read

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes; fewer only at the end."""
        parts, have = [self._left], len(self._left)
        while have < size and (part := self._more()):
            parts.append(part)
            have += len(part)
        data = b"".join(parts) if len(parts) > 1 else self._left
        self._left = data[size:]
        return data[:size]

    def skip(self, size: int) -> None:
        """Skip `size` bytes. Raises EOFError if there are fewer."""
        if self._stream is None and size > len(self._left) + len(self._input):
            size -= len(self._left) + len(self._input)
            self._left = self._input = b""
            here = self._source.tell()
            if here + size > self._source.seek(0, 2):
                raise EOFError("the archive is truncated")
            self._source.seek(here + size)
            return
        while size:
            passed = len(self.read(min(size, _CHUNK)))
            if not passed:
                raise EOFError("the archive is truncated")
            size -= passed

    def _more(self) -> bytes:
        """More decompressed bytes; none at the end."""
        while True:
            if self._stream is None:
                data = self._input or self._fill()
                self._input = b""
                self._meter.count(len(data), self._packed)
                return data
            if self._stream.eof and not self._next():
                return b""
            ended = self._stream.needs_input and not self._input and not self._fill()
            data = self._stream.decompress(self._input, _CHUNK)  # may hold some back without input
            self._input = b""
            self._meter.count(len(data), self._packed)
            if data:
                return data
            if ended and not self._stream.eof:
                raise EOFError("the archive is truncated")

    def _next(self) -> bool:
        """Begin the stream after one that ended, with optional padding between them."""
        assert self._stream is not None
        assert self._make is not None
        self._input = self._stream.unused_data.lstrip(b"\0")
        while not self._input and self._fill():
            self._input = self._input.lstrip(b"\0")
        if not self._input:
            return False
        self._stream = self._make()
        return True

    def _fill(self) -> bytes:
        self._input = self._source.read(_CHUNK)
        self._packed += len(self._input)
        return self._input


def _beyond(detail: str) -> RejectedError:
    return RejectedError(Reason.ARCHIVE_LIMIT, f"{detail}; unpack it and ingest the folder")
