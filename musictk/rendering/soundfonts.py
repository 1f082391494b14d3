"""Find the soundfont to render with, and check it before a C library reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.files import cause, open_regular

BUILT_IN = Path(__file__).parent / "soundfont" / "FluidR3Mono_GM.sf3"  # General MIDI
USER_FOLDERS = ("~/.local/share/soundfonts", "~/Library/Audio/Sounds/Banks")
_INSTRUMENT, _SAMPLE, _LOOPS, _LAST = 41, 53, 54, 60  # generators; the first two are references
_FASTEST = 400_000  # samples per second; the synthesizer takes forever to play faster ones
_ROM, _VORBIS = 0x8000, 0x10  # sample types: not in the file; compressed, as in .sf3 files
_WIDTHS = {  # bytes of a record of each list of the format
    **{b"phdr": 38, b"pbag": 4, b"pmod": 10, b"pgen": 4},
    **{b"inst": 22, b"ibag": 4, b"imod": 10, b"igen": 4, b"shdr": 46},
}
Lists = dict[bytes, NDArray[np.uint8]]


def find_soundfont() -> Path:
    """The first soundfont in the user's own folders, else the built-in one.

    Raises MusictkError where there is none.
    """
    for place in USER_FOLDERS:
        for path in sorted(Path(place).expanduser().glob("*.sf[23]")):
            return path
    if BUILT_IN.is_file():
        return BUILT_IN
    message = f"the built-in soundfont {BUILT_IN} is missing"
    raise MusictkError(message, "reinstall musictk, or give one with --soundfont FILE")


def check_soundfont(path: Path) -> None:
    """Raise MusictkError for a file that is no intact soundfont.

    The synthesizer does not check the references between presets, instruments and samples, and
    crashes where one is wrong (SoundFont Technical Specification 2.04, section 7).
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        message = f"the soundfont {path} cannot be read: {cause(error)}"
        raise MusictkError(message, "choose an .sf2 or .sf3 file") from error
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise MusictkError(f"{path} is not a soundfont", "choose an .sf2 or .sf3 file")
    if not _intact(data):
        hint = "choose another .sf2 or .sf3 file with --soundfont"
        raise MusictkError(f"the soundfont {path} is damaged", hint)


def _intact(data: bytes) -> bool:
    try:
        top = dict(_chunks(data, 12, 8 + _number(data, 4)))
        body = _chunks(data, *top[b"pdta"])
        spans = {name: span for name, span in body if name in _WIDTHS}
        samples = dict(_chunks(data, *top[b"sdta"]))[b"smpl"]
        lists = {name: _records(data, spans[name], width) for name, width in _WIDTHS.items()}
    except (KeyError, ValueError):
        return False
    return _references(lists) and _sample_ranges(lists[b"shdr"], samples[1] - samples[0])


def _chunks(data: bytes, start: int, stop: int) -> list[tuple[bytes, tuple[int, int]]]:
    """The name and span of each chunk; the name of a LIST is its type. Raises ValueError."""
    found = []
    while start + 8 <= stop:
        name, end = data[start : start + 4], start + 8 + _number(data, start + 4)
        if end > min(stop, len(data)):
            raise ValueError("a chunk ends outside its parent")
        first = start + 8
        if name == b"LIST":
            name, first = data[first : first + 4], first + 4
        found.append((name, (first, end)))
        padded = (end - start) % 2 and data[end : end + 1] == b"\0"  # some programs do not pad
        start = end + int(padded)
    return found


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _records(data: bytes, span: tuple[int, int], width: int) -> NDArray[np.uint8]:
    """(N, width); the last one marks the end. Raises ValueError where there is no other."""
    rows = np.frombuffer(data[slice(*span)], np.uint8)
    rows = rows.reshape(-1, width)
    if len(rows) < (2 if width in (38, 22, 46) else 1):
        raise ValueError("an empty list")
    return rows


def _field(records: NDArray[np.uint8], at: int, kind: str) -> NDArray[np.int64]:
    """A field of each record, from its offset and type."""
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(records[:, at : at + size]).view(kind)[:, 0].astype(np.int64)


def _references(lists: Lists) -> bool:
    """Whether each index leads into the next list: presets to bags to generators to samples."""
    steps = (
        (_field(lists[b"phdr"], 24, "<u2"), b"pbag"),
        (_field(lists[b"pbag"], 0, "<u2"), b"pgen"),
        (_field(lists[b"pbag"], 2, "<u2"), b"pmod"),
        (_field(lists[b"inst"], 20, "<u2"), b"ibag"),
        (_field(lists[b"ibag"], 0, "<u2"), b"igen"),
        (_field(lists[b"ibag"], 2, "<u2"), b"imod"),
    )
    for index, name in steps:
        if (np.diff(index) < 0).any() or (index >= len(lists[name])).any():
            return False
    return _zones(lists, (b"phdr", 24), (b"pbag", b"pgen"), (_INSTRUMENT, b"inst")) and _zones(
        lists, (b"inst", 20), (b"ibag", b"igen"), (_SAMPLE, b"shdr")
    )


def _zones(
    lists: Lists, owner: tuple[bytes, int], names: tuple[bytes, bytes], end: tuple[int, bytes]
) -> bool:
    """Whether the generators are known, and zones end with a reference to what exists.

    An owner's first zone need not: it may hold what applies to all its zones.
    """
    bags, generators = (lists[name] for name in names)
    operator, value = (_field(generators[:-1], at, "<u2") for at in (0, 2))
    chosen = operator == end[0]
    unknown = (operator > _LAST) | ((operator == _LOOPS) & (value > 3))
    if unknown.any() or (value[chosen] >= len(lists[end[1]]) - 1).any():
        return False
    edges = _field(bags, 0, "<u2")
    ends = np.append(chosen, False)[edges[1:] - 1] & (np.diff(edges) > 0)
    ends[_field(lists[owner[0]][:-1], owner[1], "<u2")] = True
    first, last = (_field(lists[owner[0]], owner[1], "<u2")[at] for at in (0, -1))
    return bool(ends[first:last].all())


def _sample_ranges(headers: NDArray[np.uint8], size: int) -> bool:
    """Whether each sample is in the `size` bytes of sample data, with a rate and a pitch."""
    kind, key = _field(headers, 44, "<u2"), _field(headers, 40, "u1")
    start, end, loop, loop_end, rate = (_field(headers, at, "<u4") for at in range(20, 40, 4))
    used = (np.arange(len(kind)) < len(kind) - 1) & (kind & _ROM == 0)
    compressed = (kind & _VORBIS) > 0  # their range is of bytes, and their loop starts at 0
    last = np.where(compressed, size, size // 2)
    looped = compressed | (loop == loop_end) | ((start <= loop) & (loop_end <= last))
    fine = (start <= end) & (end <= last) & (loop <= loop_end) & looped
    fine &= (rate > 0) & (rate <= _FASTEST) & ((key < 128) | (key == 255))  # 255: without a pitch
    return bool(fine[used].all())
