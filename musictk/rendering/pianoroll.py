"""Draw the piano roll of a piece, coloured by section: as a picture, or as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from symusic.core import ScoreTick

from musictk.music import duration
from musictk.rendering.midi import SectionSpan, labels, printable
from musictk.rendering.pictures import save
from musictk.rendering.roll import (
    ASCII_GLYPHS,
    GLYPHS,
    PALETTE,
    RollView,
    braille,
    pitch_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PAPER, BLACK_KEY, RULE = "#22262e", "#fdfcfa", "#f1f0ec", "#d9d7d1"
BLACK_KEYS = frozenset({1, 3, 6, 8, 10})  # pitch classes
SYSTEM_BARS, SYSTEMS = 16, 6  # bars in one line of the picture, and the most lines


def draw(score: ScoreTick, sections: Sequence[SectionSpan], path: Path, title: str = "") -> None:
    """Draw systems of bars as in a score, notes coloured by section, labels on top.

    Writes PNG, SVG or PDF by the suffix of `path`. Raises UsageError for any other suffix and
    MusictkError for a piece with no pitched notes.
    """
    from matplotlib.figure import Figure

    roll = RollView.of(score, sections)
    spans = _systems(roll)
    longest = max(stop - start for start, stop in spans)
    tallest = 3.4 if len(spans) == 1 else 2.6
    tall = np.clip(0.052 * (roll.high - roll.low + 1), 1.1, tallest)  # inches of one system
    gap, top, bottom, left, wide = 0.62, 1.02, 0.42, 0.62, 13.0
    height = top + len(spans) * (tall + gap) - gap + bottom
    figure = Figure(figsize=(left + wide + 0.3, height), dpi=150, facecolor=PAPER)
    for row, (start, stop) in enumerate(spans):
        base = height - top - tall - row * (tall + gap)
        width = wide * (stop - start) / longest
        box = (
            left / (left + wide + 0.3),
            base / height,
            width / (left + wide + 0.3),
            tall / height,
        )
        axes = figure.add_axes(box)
        _draw_system(axes, roll, start, stop)
    _draw_heading(figure, score, roll, title, left / (left + wide + 0.3), height)
    save(figure, path)


def text(
    score: ScoreTick,
    sections: Sequence[SectionSpan],
    width: int = 100,
    height: int = 24,
    colour: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The whole piece as lines of braille, at most `width` characters by about `height` lines.

    A pitch is one dot high, or two where there is room. Section labels are above, bar numbers
    below. With `colour` sections are coloured by ANSI escapes. An `encoding` without braille gets
    ASCII instead: `:` where a cell has notes in both halves, `'` and `.` for one half. Raises
    MusictkError for a piece with no pitched notes.
    """
    roll = RollView.of(score, sections)
    columns = max(20, width - 4)
    dots = max(1, min(2, 4 * height // (roll.high - roll.low + 1)))  # per pitch
    grid = roll.grid(columns, dots)
    glyphs = GLYPHS if _encodes(encoding, "⣿") else ASCII_GLYPHS
    mark = "│" if _encodes(encoding, "│") else "|"
    ticks = roll.bars[-1] / columns  # of one character
    named = [(section.start, section.label) for section in sections]
    every = _bar_step(len(roll.bars) - 1, columns // 8)
    numbers = [(int(tick), str(bar + 1)) for bar, tick in enumerate(roll.bars[:-1])][::every]
    lines = [("", _rule(named, ticks, columns, mark))] if sections else []
    for row, cells in enumerate(braille(grid)):
        pitches = range(roll.high - 4 * row // dots, roll.high - (4 * row + 4) // dots, -1)
        octave = next((pitch_name(pitch) for pitch in pitches if pitch % 12 == 0), "")
        body = "".join(glyphs[cell] for cell in cells).rstrip()
        lines.append((octave, body))
    painted = [(side, _paint(body, roll, ticks) if colour else body) for side, body in lines]
    painted.append(("", _rule(numbers, ticks, columns, mark)))
    return "\n".join(f"{side:>3} {body}".rstrip() for side, body in painted)


def _systems(roll: RollView) -> list[tuple[int, int]]:
    """(start, stop) ticks of each line; all lines have equally many bars."""
    count = len(roll.bars) - 1
    if count <= SYSTEM_BARS * 5 // 4:
        return [(0, int(roll.bars[-1]))]
    each = max(SYSTEM_BARS, 8 * -(-count // (8 * SYSTEMS)))
    starts = roll.bars[:-1:each].tolist()
    if count % each and count % each <= each // 4:
        starts.pop()  # a short last line is merged into the line before
    edges = [*starts, int(roll.bars[-1])]
    return list(pairwise(edges))


def _draw_system(axes: Axes, roll: RollView, start: int, stop: int) -> None:
    axes.set_xlim(start, stop)
    axes.set_ylim(roll.low - 0.5, roll.high + 0.5)
    axes.set_facecolor("white")
    for pitch in range(roll.low, roll.high + 1):
        if pitch % 12 in BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color=BLACK_KEY, lw=0, zorder=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color=RULE, lw=0.8, zorder=1)
    inside = roll.bars[(roll.bars >= start) & (roll.bars <= stop)]
    axes.vlines(inside, roll.low - 0.5, roll.high + 0.5, color=RULE, lw=0.7, zorder=1)
    _draw_sections(axes, roll, start, stop)
    _draw_notes(axes, roll, start, stop)
    octaves = [pitch for pitch in range(roll.low, roll.high + 1) if pitch % 12 == 0]
    axes.set_yticks(octaves, [pitch_name(pitch) for pitch in octaves], fontsize=8, color=INK)
    every = _bar_step(len(roll.bars) - 1, 20 * SYSTEMS)
    first = int(np.searchsorted(roll.bars, start))
    shown = [
        (tick, first + index + 1) for index, tick in enumerate(inside[:-1]) if index % every == 0
    ]
    axes.set_xticks([tick for tick, _ in shown], [str(number) for _, number in shown])
    axes.tick_params(axis="x", length=0, pad=2, labelsize=7.5, labelcolor="#7b7f87")
    axes.tick_params(axis="y", length=0, pad=4)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("left")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "right"))
        spine.set_color(RULE)


def _draw_notes(axes: Axes, roll: RollView, start: int, stop: int) -> None:
    """Draw notes as bars, louder ones more opaque; they are cut at the ends of lines."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    found = roll.notes
    chosen = np.flatnonzero((found.start < stop) & (found.end > start))
    left = np.maximum(found.start[chosen], start)
    gap = (stop - start) / 1600  # so that repeated notes are distinguishable
    right = np.maximum(np.minimum(found.end[chosen], stop) - gap, left + gap)
    middle = found.pitch[chosen]
    low, high = middle - 0.46, middle + 0.46
    corners = np.stack([left, low, left, high, right, high, right, low], 1).reshape(-1, 4, 2)
    loud = 0.45 + 0.55 * np.clip(found.velocity[chosen] / 96, 0, 1)
    faces = [
        to_rgba(PALETTE[colour], opacity)
        for colour, opacity in zip(roll.colours[chosen], loud, strict=True)
    ]
    axes.add_collection(
        PolyCollection(list(corners), facecolors=faces, edgecolors="none", zorder=3)
    )


def _draw_sections(axes: Axes, roll: RollView, start: int, stop: int) -> None:
    """Draw a tint for each section and a strip above it with its label, in brackets where the
    section continues from the line before."""
    order = labels(roll.sections)
    for section in roll.sections:
        left, right = max(section.start, start), min(section.end, stop)
        if right <= left:
            continue
        colour = PALETTE[order.index(section.label) % len(PALETTE)]
        axes.axvspan(left, right, color=colour, alpha=0.07, lw=0, zorder=0.5)
        begins = section.start >= start
        strip: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.fill_between([left, right], 1.0, 1.0 + _inches(axes, 0.2), color=colour, lw=0, **strip)
        if begins:
            axes.axvline(left, color=colour, lw=1.4, zorder=2)
        axes.annotate(
            section.label if begins else f"({section.label})",
            (left, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(5, 7),
            textcoords="offset points",
            va="center_baseline",
            color="white",
            fontsize=9,
            fontweight="bold" if begins else "normal",
            parse_math=False,
        )


def _draw_heading(
    figure: Figure, score: ScoreTick, roll: RollView, title: str, left: float, height: float
) -> None:
    seconds = duration(score)
    facts = [f"{len(roll.bars) - 1} bars", f"{len(roll.notes):,} notes"]
    facts.append(f"{int(seconds // 60)}:{int(seconds % 60):02d}")
    if roll.sections:
        facts.insert(0, "–".join(section.label for section in roll.sections[:24]))
    figure.text(
        left,
        1 - 0.40 / height,
        printable(title) or "Untitled",
        fontsize=16,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    figure.text(
        left,
        1 - 0.64 / height,
        "   ·   ".join(facts),
        fontsize=9,
        color="#7b7f87",
        parse_math=False,
    )


def _inches(axes: Axes, inches: float) -> float:
    """That many inches as a fraction of the axes' height."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(inches / (axes.get_position().height * figure.get_size_inches()[1]))


def _bar_step(count: int, most: int) -> int:
    """Number every 1st, 2nd, 4th, 8th … bar, so that at most `most` are numbered."""
    step = 1
    while count / step > max(most, 1):
        step *= 2
    return step


def _encodes(encoding: str, text: str) -> bool:
    """Whether a stream of that encoding can print `text`."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _rule(marks: list[tuple[int, str]], ticks: float, columns: int, mark: str) -> str:
    """A line with the text of each mark at its tick; marks that would overlap are left out."""
    line = ""
    for tick, label in marks:
        at = int(tick / ticks)
        if at >= len(line) and at < columns:
            line = line.ljust(at) + mark + label
    return line[:columns]


def _paint(line: str, roll: RollView, ticks: float) -> str:
    """The line with ANSI colours, one run for each section."""
    order = labels(roll.sections)
    painted, done = "", 0
    for section in roll.sections:
        left, right = int(section.start / ticks), int(section.end / ticks)
        if line[left:right].strip():
            red, green, blue = bytes.fromhex(PALETTE[order.index(section.label) % len(PALETTE)][1:])
            painted += f"{line[done:left]}\x1b[38;2;{red};{green};{blue}m{line[left:right]}\x1b[0m"
            done = right
    return painted + line[done:]
