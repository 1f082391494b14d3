"""Read untrusted tar files as a stream, with one header in memory at a time.

Python's tarfile keeps every header, reads extended headers of any size into memory, and needs a
hundred microseconds per file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from musictk.reading.decompress import DecompressedStream
from musictk.reading.reasons import Reason, RejectedError

_BLOCK = 512
_LONGEST = 1 << 20  # bytes of an extended header; a path has at most a few thousand
_FILES = b"0\x007"  # types of a plain file
_EMPTY = b"123456"  # links, devices, folders and pipes: no data follows, whatever their size field
_GNU_NAME, _GNU_LINK, _PAX, _PAX_GLOBAL, _GNU_SPARSE = b"L", b"K", b"x", b"g", b"S"


@dataclass(frozen=True)
class TarHeader:
    """One member, followed by `size` bytes padded to whole blocks."""

    name: str
    size: int
    plain: bool  # a regular file, not sparse


class TarReader:
    """Iterates over the headers of members; `read` the data of one before the next."""

    def __init__(self, stream: DecompressedStream) -> None:
        self._stream = stream
        self._left = 0  # bytes to the next header
        self._began = False

    def __iter__(self) -> Iterator[TarHeader]:
        name: str | None = None
        fields: dict[str, bytes] = {}
        while (block := self._block()) is not None:
            kind, size = block[156:157], _number(block[124:136])
            if kind in (_GNU_NAME, _PAX):
                data = self._extended(size)
                if kind == _GNU_NAME:
                    name = _text(data.rstrip(b"\0"))
                else:
                    fields = _fields(data)
                continue
            size = _decimal(fields["size"]) if "size" in fields else size
            self._left = 0 if kind in _EMPTY else -(-size // _BLOCK) * _BLOCK
            if kind == _GNU_SPARSE:
                self._skip_holes(block)
            if kind not in (_GNU_LINK, _PAX_GLOBAL):
                said = _text(fields["path"]) if "path" in fields else name or _name(block)
                sparse = kind == _GNU_SPARSE or any(key.startswith("GNU.sparse") for key in fields)
                plain = kind in _FILES and not sparse and not said.endswith("/")
                yield TarHeader(said, size, plain)
                name, fields = None, {}

    def read(self, size: int) -> bytes:
        """The first `size` bytes of the member yielded last. Raises EOFError for fewer."""
        data = self._stream.read(size)
        if len(data) < size:
            raise EOFError("the archive is truncated")
        self._left -= size
        return data

    def _block(self) -> bytes | None:
        """The next header; None at a block of zeros or at the end of the file."""
        self._stream.skip(self._left)
        self._left = 0
        block = self._stream.read(_BLOCK)
        if not block and not self._began:
            raise RejectedError(Reason.BAD_ARCHIVE, "it is empty")
        self._began = True
        if not block.strip(b"\0"):
            return None
        if len(block) < _BLOCK:
            raise EOFError("the archive is truncated")
        said = _number(block[148:156])
        rest = block[:148] + b" " * 8 + block[156:]
        total = sum(rest)
        if said not in (total, total - 256 * sum(byte > 127 for byte in rest)):  # old: signed
            raise RejectedError(Reason.BAD_ARCHIVE, "a damaged header, or not a tar file")
        return block

    def _skip_holes(self, block: bytes) -> None:
        """Skip the blocks with the holes of a sparse file, between header and data."""
        more = block[482]
        while more:
            more = self._stream.read(_BLOCK).ljust(_BLOCK, b"\0")[504]

    def _extended(self, size: int) -> bytes:
        if size > _LONGEST:
            raise RejectedError(Reason.ARCHIVE_LIMIT, f"a name of more than {_LONGEST} bytes")
        self._left = -(-size // _BLOCK) * _BLOCK
        return self.read(size)


def _number(field: bytes) -> int:
    """Octal digits, or base 256 if the first bit is set. Raises RejectedError below zero."""
    if field[:1] >= b"\x80":
        number = int.from_bytes(field[1:], "big")
        if field[0] != 0x80:
            raise RejectedError(Reason.BAD_ARCHIVE, "a size below zero")
        return number
    digits = field.split(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise RejectedError(Reason.BAD_ARCHIVE, "a damaged header, or not a tar file")
    return int(digits or b"0", 8)


def _decimal(field: bytes) -> int:
    if not field.isdigit() or len(field) > 20:
        raise RejectedError(Reason.BAD_ARCHIVE, "a damaged extended header")
    return int(field)


def _name(block: bytes) -> str:
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    joined = prefix + b"/" + name if prefix and block[257:262] == b"ustar" else name
    return _text(joined)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _fields(data: bytes) -> dict[str, bytes]:
    """The records of a pax header: "LENGTH KEY=VALUE\\n", where LENGTH counts all of it."""
    found: dict[str, bytes] = {}
    data = data.rstrip(b"\0")
    start = 0
    while start < len(data):
        digits, blank, _ = data[start : start + 24].partition(b" ")
        stop = start + (_decimal(digits) if blank else 0)
        if not start + len(digits) + 1 < stop <= len(data):
            raise RejectedError(Reason.BAD_ARCHIVE, "a damaged extended header")
        key, _, value = data[start + len(digits) + 1 : stop - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value
        start = stop
    return found
