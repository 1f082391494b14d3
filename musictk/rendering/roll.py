"""The content of a piano roll, independent of how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.music import Notes, bars, notes
from musictk.rendering.midi import SectionSpan, labels

# Distinguishable with common colour blindness: the colours differ in lightness too.
PALETTE = ("#3566a8", "#d0572f", "#2f8f6b", "#8553a6", "#c58a1b", "#b8406f", "#3a94ab", "#6f7a2e")

# The characters of a cell by its dots; the dots of rows 1 and 2 are in UPPER.
UPPER = 0x01 | 0x08 | 0x02 | 0x10
GLYPHS = " " + "".join(map(chr, range(0x2801, 0x2900)))
ASCII_GLYPHS = "".join(" '.:"[bool(cell & UPPER) + 2 * bool(cell & ~UPPER)] for cell in range(256))


@dataclass(frozen=True)
class RollView:
    """The notes and bars of a piece, and the colour of each note."""

    notes: Notes
    bars: NDArray[np.int64]  # (N + 1,) ticks
    sections: Sequence[SectionSpan]
    colours: NDArray[np.int64]  # (notes,) index into PALETTE
    low: int  # lowest pitch shown
    high: int  # highest pitch shown

    @staticmethod
    def of(score: ScoreTick, sections: Sequence[SectionSpan]) -> RollView:
        """Colour notes by section, or by track if there are no sections.

        Raises MusictkError for a piece with no pitched notes.
        """
        found = notes(score, drums=False)
        if not len(found):
            raise MusictkError("there is nothing to draw: the piece has no pitched notes")
        colours = found.track
        if sections:
            order = labels(sections)
            colours = np.full(len(found), len(PALETTE) - 1)
            for section in sections:
                inside = (found.start >= section.start) & (found.start < section.end)
                colours[inside] = order.index(section.label)
        low, high = int(found.pitch.min()), int(found.pitch.max())
        spare = max(0, 16 - (high - low)) // 2  # at least about 16 pitches are shown
        end = max((section.end for section in sections), default=0)
        return RollView(
            found,
            bars(score, least=end),
            sections,
            colours % len(PALETTE),
            max(0, low - 1 - spare),
            min(127, high + 1 + spare),
        )

    def grid(self, columns: int, dots: int) -> NDArray[np.bool_]:
        """(rows × 4, columns × 2) whether a note sounds; the highest pitch is at the top."""
        rows = -(-(self.high - self.low + 1) * dots // 4) * 4
        grid = np.zeros((rows, columns * 2), np.bool_)
        scale = columns * 2 / self.bars[-1]
        left = np.floor(self.notes.start * scale).astype(int)
        right = np.maximum(np.ceil(self.notes.end * scale - 1e-9).astype(int), left + 1)
        for begin, end, pitch in zip(left, right, self.notes.pitch, strict=True):
            row = (self.high - pitch) * dots
            grid[row : row + dots, begin:end] = True
        return grid


def braille(grid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(rows, columns) offsets into Unicode's braille block, 2 × 4 dots each."""
    weights = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    cells = grid.reshape(grid.shape[0] // 4, 4, grid.shape[1] // 2, 2)
    packed: NDArray[np.int64] = np.einsum("rycx,yx->rc", cells.astype(np.int64), weights)
    return packed


def pitch_name(pitch: int) -> str:
    """The name of a MIDI note number: 60 is "C4"."""
    letters = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
    return f"{letters[pitch % 12]}{pitch // 12 - 1}"
