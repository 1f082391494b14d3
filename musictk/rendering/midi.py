"""MIDI files with their form written in: a marker event where each section begins."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from symusic.core import ScoreTick, TextMetaTick

from musictk.files import write_bytes


class Section(NamedTuple):
    """A stretch of a piece that its form names."""

    label: str
    start: int  # tick of its first bar
    end: int  # tick just after its last bar


def write(score: ScoreTick, sections: Iterable[Section], path: Path) -> None:
    """Write a MIDI file, wholly or not at all; `sections` become its marker events.

    Without sections the score's own markers stay. The score itself is left as it is.
    """
    marked = score.copy()
    markers = [TextMetaTick(start, _plain(label)) for label, start, _ in sections]
    if markers:
        marked.markers.clear()
    for marker in markers:
        marked.markers.append(marker)
    write_bytes(path, marked.dumps_midi())


def sections(score: ScoreTick) -> list[Section]:
    """The sections a score's markers name, each lasting until the next or the end of the piece."""
    markers = sorted((int(marker.time), marker.text) for marker in score.markers)
    if not markers:
        return []
    end = max(int(score.end()), markers[-1][0] + 1)
    stops = [time for time, _ in markers[1:]] + [end]
    return [
        Section(_plain(text), start, stop)
        for (start, text), stop in zip(markers, stops, strict=True)
        if stop > start
    ]


def labels(sections: Sequence[Section]) -> list[str]:
    """The distinct labels, in order of appearance: the n-th has the n-th colour everywhere."""
    return list(dict.fromkeys(section.label for section in sections))


def _plain(text: str) -> str:
    """Without control characters, which a file from elsewhere may hold."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "C")
