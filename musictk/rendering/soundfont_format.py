"""Read the lists of a SoundFont 2 or 3 file, and check that their references lead somewhere.

SoundFont Technical Specification 2.04, sections 4 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INSTRUMENT, SAMPLE, LOOPS = 41, 53, 54  # generators; the first two are references
LOOPED = (1, 3)  # values of LOOPS: until the note ends; until its key is released
_LAST = 60  # the last generator
_WIDTHS = {  # bytes of a record of each list of the format
    **{b"phdr": 38, b"pbag": 4, b"pmod": 10, b"pgen": 4},
    **{b"inst": 22, b"ibag": 4, b"imod": 10, b"igen": 4, b"shdr": 46},
}
Lists = dict[bytes, NDArray[np.uint8]]
Span = tuple[int, int]


@dataclass(frozen=True)
class SoundfontFile:
    """The version of a soundfont, the records of its lists, and where its samples are."""

    version: int  # 3: the samples are compressed
    lists: Lists  # each (N, width); the last record marks the end
    headers: int  # where the sample headers start in the file
    samples: Span


def read(data: bytes) -> SoundfontFile:
    """Raises ValueError for what is no intact soundfont."""
    top = _named(_chunks(data, 12, 8 + number(data, 4)))
    body = _named(_chunks(data, *top[b"pdta"]))
    lists = {name: _records(data, body[name], width) for name, width in _WIDTHS.items()}
    if not _references(lists):
        raise ValueError("a reference to what does not exist")
    version = dict(_chunks(data, *top[b"INFO"]))[b"ifil"]
    samples = _named(_chunks(data, *top[b"sdta"]))[b"smpl"]
    return SoundfontFile(number(data, version[0]) & 0xFFFF, lists, body[b"shdr"][0], samples)


def _named(chunks: list[tuple[bytes, Span]]) -> dict[bytes, Span]:
    """Raises ValueError where a name occurs twice: which one is read depends on the program."""
    if len(dict(chunks)) < len(chunks):
        raise ValueError("two chunks of the same name")
    return dict(chunks)


def _chunks(data: bytes, start: int, stop: int) -> list[tuple[bytes, Span]]:
    """The name and span of each chunk; the name of a LIST is its type. Raises ValueError."""
    found = []
    while start + 8 <= stop:
        name, end = data[start : start + 4], start + 8 + number(data, start + 4)
        if end > min(stop, len(data)):
            raise ValueError("a chunk ends outside its parent")
        first = start + 8
        if name == b"LIST":
            name, first = data[first : first + 4], first + 4
        found.append((name, (first, end)))
        padded = (end - start) % 2 and data[end : end + 1] == b"\0"  # some programs do not pad
        start = end + int(padded)
    return found


def number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _records(data: bytes, span: Span, width: int) -> NDArray[np.uint8]:
    """(N, width); the last one marks the end. Raises ValueError where there is no other."""
    rows = np.frombuffer(data[slice(*span)], np.uint8)
    rows = rows.reshape(-1, width)
    if len(rows) < (2 if width in (38, 22, 46) else 1):
        raise ValueError("an empty list")
    return rows


def field(records: NDArray[np.uint8], at: int, kind: str) -> NDArray[np.int64]:
    """A field of each record, from its offset and type."""
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(records[:, at : at + size]).view(kind)[:, 0].astype(np.int64)


def _references(lists: Lists) -> bool:
    """Whether each index leads into the next list: presets to bags to generators to samples."""
    steps = (
        (field(lists[b"phdr"], 24, "<u2"), b"pbag"),
        (field(lists[b"pbag"], 0, "<u2"), b"pgen"),
        (field(lists[b"pbag"], 2, "<u2"), b"pmod"),
        (field(lists[b"inst"], 20, "<u2"), b"ibag"),
        (field(lists[b"ibag"], 0, "<u2"), b"igen"),
        (field(lists[b"ibag"], 2, "<u2"), b"imod"),
    )
    for index, name in steps:
        if (np.diff(index) < 0).any() or (index >= len(lists[name])).any():
            return False
    return _zones(lists, (b"phdr", 24), (b"pbag", b"pgen"), (INSTRUMENT, b"inst")) and _zones(
        lists, (b"inst", 20), (b"ibag", b"igen"), (SAMPLE, b"shdr")
    )


def _zones(
    lists: Lists, owner: tuple[bytes, int], names: tuple[bytes, bytes], end: tuple[int, bytes]
) -> bool:
    """Whether the generators are known, and zones end with a reference to what exists.

    An owner's first zone need not: it may hold what applies to all its zones.
    """
    bags, generators = (lists[name] for name in names)
    operator, value = (field(generators[:-1], at, "<u2") for at in (0, 2))
    chosen = operator == end[0]
    unknown = (operator > _LAST) | ((operator == LOOPS) & (value > 3))
    if unknown.any() or (value[chosen] >= len(lists[end[1]]) - 1).any():
        return False
    edges = field(bags, 0, "<u2")
    ends = np.append(chosen, False)[edges[1:] - 1] & (np.diff(edges) > 0)
    ends[field(lists[owner[0]][:-1], owner[1], "<u2")] = True
    first, last = (field(lists[owner[0]], owner[1], "<u2")[at] for at in (0, -1))
    return bool(ends[first:last].all())
