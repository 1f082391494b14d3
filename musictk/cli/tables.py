"""Lay out tables for a terminal: columns where they fit, else one block of lines per row.

A table of many columns may lose the last ones, which are the least important.

A word is never broken, so that ids, names and paths can be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from rich.cells import cell_len

GAP = 2  # columns between two columns of a table
NARROW = 12  # columns to which a column of text may shrink
TALL = 3  # lines that a cell may have in a table
MANY = 7  # columns from which the last ones may be dropped
USUAL = 60  # columns of a terminal under which none is dropped: blocks are easier to read there
_PIECE = re.compile(r"[^\s/]*(?:/+|\s+|$)")  # a line may end after a space or a slash


def fit(
    rows: Sequence[Sequence[str]],
    names: Sequence[str],
    numeric: Sequence[bool],
    width: int | None = None,
) -> tuple[list[str], list[str]]:
    """The lines of the table, the heading first, and the names of the columns it leaves out.

    No lines: the table does not fit in `width`. Without a `width`, each row is one line.
    """
    cells = [list(column) for column in zip(names, *rows, strict=True)]
    if width is None:
        return _lines(cells, [max(map(cell_len, column)) for column in cells], numeric), []
    most = len(names) // 3 if len(names) >= MANY and width >= USUAL else 0
    for kept in range(len(names), len(names) - most - 1, -1):
        widths = _widths(cells[:kept], numeric, width)
        wrapped = [
            ["\n".join(wrap(cell, wide)) for cell in column]
            for column, wide in zip(cells, widths, strict=False)
        ]
        if widths and all(cell.count("\n") < TALL for cell in chain.from_iterable(wrapped)):
            return _lines(wrapped, widths, numeric), list(names[kept:])
    return [], []


def _widths(cells: Sequence[Sequence[str]], numeric: Sequence[bool], width: int) -> list[int]:
    """The widths of columns that together have `width`; [] if a word would have to break."""
    widths = [max(map(cell_len, column)) for column in cells]
    least = [
        wide if number else min(wide, max(NARROW, *map(_longest_piece, column)))
        for wide, number, column in zip(widths, numeric, cells, strict=False)
    ]
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    if sum(widths) - sum(least) < excess:
        return []
    for _ in range(excess):  # the widest column that can shrink does
        room = [wide if wide > low else 0 for wide, low in zip(widths, least, strict=True)]
        widths[room.index(max(room))] -= 1
    return widths


def _lines(
    cells: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]
) -> list[str]:
    """The lines of a table; a cell may have several."""
    found = []
    for row in zip(*cells, strict=True):
        for parts in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            padded = []
            for part, width, number in zip(parts, widths, numeric, strict=False):
                space = " " * (width - cell_len(part))
                padded.append(space + part if number else part + space)
            found.append((" " * GAP).join(padded).rstrip())
    return found


def block(names: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """The lines `name value` of a row; empty values are left out, long ones are wrapped."""
    indent = max(map(cell_len, names), default=0) + 1
    for name, value in zip(names, row, strict=True):
        if not value:
            continue
        if width - indent < NARROW:  # the value goes below its name
            yield name
            yield from ("  " + line for line in wrap(value, width - 2))
            continue
        lines = wrap(value, width - indent)
        yield name + " " * (indent - cell_len(name)) + lines[0]
        yield from (" " * indent + line for line in lines[1:])


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns; a longer word has its own line."""
    lines = [""]
    for piece in _PIECE.findall(text):
        if piece and lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _longest_piece(text: str) -> int:
    return max(cell_len(piece.rstrip()) for piece in _PIECE.findall(text))
