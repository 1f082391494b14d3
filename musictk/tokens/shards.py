"""Shards: the sequences of many pieces in one safetensors file, memory-mapped.

    sequence  (N,) uint16 or uint32 ids, or (N, width / 8) uint8 frames, a bit a pitch
    offsets   (P + 1,) int64: piece i is sequence[offsets[i]:offsets[i + 1]]
    files     (P,) int64 ids of the catalog

Pieces are stored without bos and eos. The header has a fixed size, so writing needs one pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.files import atomic
from musictk.tokens.contract import Tokenizer
from musictk.tokens.space import Frames, Space, space_from, space_to

FORMAT = "musictk-shard-1"
_DATA = 4096  # where the data begins: the length, then the header padded with spaces
_DTYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I64": np.int64}
_NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items()}


@dataclass(frozen=True)
class Shard:
    """A shard on disk, memory-mapped: only the parts of `sequence` that are used are read."""

    path: Path
    fingerprint: str  # of the tokenizer that encoded it
    space: Space
    sequence: NDArray[Any]  # (N,) ids or (N, width / 8) packed frames
    offsets: NDArray[np.int64]  # (P + 1,)
    files: NDArray[np.int64]  # (P,)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(P,) tokens or frames of each piece."""
        return np.diff(self.offsets)

    @property
    def digest(self) -> str:
        """SHA-256 over every piece, in order: equal music, equal digest, whatever the file ids."""
        total = hashlib.sha256(self.offsets.tobytes())
        total.update(np.ascontiguousarray(self.sequence).reshape(-1).data)  # mapped, not copied
        return total.hexdigest()

    def piece(self, index: int) -> NDArray[Any]:
        """Piece `index` as its tokenizer encoded it: (T,) int64 or (T, width) uint8."""
        return self.crop(int(self.offsets[index]), int(self.offsets[index + 1]))

    def crop(self, start: int, stop: int) -> NDArray[Any]:
        """`sequence[start:stop]`, unpacked: (T,) int64 or (T, width) uint8."""
        rows = self.sequence[start:stop]
        if isinstance(self.space, Frames):
            return np.unpackbits(rows, axis=1, count=self.space.width)
        return rows.astype(np.int64)


def write_shard(
    path: Path, tokenizer: Tokenizer, pieces: Iterable[tuple[int, NDArray[Any]]]
) -> None:
    """Write (file id, sequence) pairs, with one in memory at a time; atomic.

    Raises ValueError for a sequence that is not of the tokenizer's space.
    """
    space = tokenizer.space
    offsets, files = [0], []
    with atomic(path) as temporary, temporary.open("wb") as stream:
        stream.seek(_DATA)
        dtype = _dtype(space)
        for file, sequence in pieces:
            stream.write(_stored(space, dtype, sequence).tobytes())
            offsets.append(offsets[-1] + len(sequence))
            files.append(file)
        shape = (offsets[-1], (space.width + 7) // 8) if isinstance(space, Frames) else offsets[-1:]
        tables = [np.array(offsets, np.int64), np.array(files, np.int64)]
        for table in tables:
            stream.write(table.tobytes())
        metadata = {
            "format": FORMAT,
            "tokenizer": tokenizer.name,
            "fingerprint": tokenizer.fingerprint,
            "space": json.dumps(space_to(space)),
        }
        _write_header(stream, metadata, dtype, tuple(shape), tables)


def open_shard(path: Path) -> Shard:
    """Memory-map a shard; reads the header and the tables only.

    Raises MusictkError, naming the file, where it is missing, truncated or not a shard.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            if not 8 < start <= min(size, 1 << 20):
                raise ValueError("it has no header")
            header = json.loads(stream.read(start - 8))
        metadata = header["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}, not {FORMAT!r}")
        space = space_from(json.loads(metadata["space"]))
        arrays = {
            name: _map(path, start, size, header[name]) for name in ("sequence", "offsets", "files")
        }
        _check(space, **arrays)
    except FileNotFoundError as error:
        raise MusictkError(f"shard {path} is missing", "tokenize again") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MusictkError(
            f"shard {path} cannot be read: {error}", "delete it and tokenize again"
        ) from error
    offsets, files = np.array(arrays["offsets"]), np.array(arrays["files"])
    return Shard(path, metadata["fingerprint"], space, arrays["sequence"], offsets, files)


def _dtype(space: Space) -> np.dtype[Any]:
    if isinstance(space, Frames):
        return np.dtype(np.uint8)
    return np.dtype(np.uint16 if space.size <= 1 << 16 else np.uint32)


def _stored(space: Space, dtype: np.dtype[Any], sequence: NDArray[Any]) -> NDArray[Any]:
    if isinstance(space, Frames):
        if sequence.ndim != 2 or sequence.shape[1] != space.width:
            raise ValueError(f"frames of shape {sequence.shape} are not (T, {space.width})")
        return np.packbits(sequence != 0, axis=1)
    if sequence.ndim != 1 or (len(sequence) and not 0 <= sequence.min() <= sequence.max()):
        raise ValueError(f"ids of shape {sequence.shape} are not (T,) and ≥ 0")
    if len(sequence) and sequence.max() >= space.size:
        raise ValueError(f"id {sequence.max()} is outside a vocabulary of {space.size}")
    return sequence.astype(dtype)


def _write_header(
    stream: IO[bytes],
    metadata: dict[str, str],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    tables: list[NDArray[np.int64]],
) -> None:
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    shapes = [("sequence", dtype, shape)]
    shapes += [
        (name, table.dtype, table.shape)
        for name, table in zip(("offsets", "files"), tables, strict=True)
    ]
    for name, kind, dims in shapes:
        begin, end = end, end + prod(dims) * kind.itemsize
        header[name] = {"dtype": _NAMES[kind], "shape": list(dims), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    stream.seek(0)
    stream.write((_DATA - 8).to_bytes(8, "little") + text.ljust(_DATA - 8))


def _map(path: Path, start: int, size: int, entry: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(int(dim) for dim in entry["shape"])
    begin, end = (int(offset) for offset in entry["data_offsets"])
    if min((0, *shape)) < 0 or end - begin != prod(shape) * dtype.itemsize or begin < 0:
        raise ValueError("its header is inconsistent")
    if start + end > size:
        raise ValueError("it is truncated")
    if begin == end:  # an empty range cannot be mapped
        return np.zeros(shape, dtype)
    # as a plain array: slicing a memmap object costs microseconds more
    return np.asarray(np.memmap(path, dtype, "r", start + begin, shape))


def _check(
    space: Space, sequence: NDArray[Any], offsets: NDArray[Any], files: NDArray[Any]
) -> None:
    width = ((space.width + 7) // 8,) if isinstance(space, Frames) else ()
    if sequence.dtype != _dtype(space) or sequence.shape[1:] != width:
        raise ValueError("its sequence is not of its token space")
    if offsets.dtype != np.int64 or offsets.shape != (len(files) + 1,) or files.dtype != np.int64:
        raise ValueError("its tables are inconsistent")
    if offsets[0] != 0 or offsets[-1] != len(sequence) or (np.diff(offsets) < 0).any():
        raise ValueError("its offsets do not cover its sequence")
