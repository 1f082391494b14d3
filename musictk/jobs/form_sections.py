"""The sections of a piece: those of a stored sample's form, else by the markers of the file."""

from __future__ import annotations

import hashlib

from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.jobs.named_music import NamedMusic, OpenCatalog
from musictk.jobs.stored import StoredSample
from musictk.music import bars
from musictk.rendering.midi import Mark, SectionSpan, markers, sections

_KEPT = ("infill", "accompany")  # music to which notes are written, whose markers stay


def sections_of(music: NamedMusic, open_catalog: OpenCatalog) -> list[SectionSpan]:
    """The sections of a piece, which may be a sample of the catalog, found by its digest.

    The catalog is opened only for a file with markers.
    """
    score = music.score
    if not score.markers:
        return []
    try:
        with open_catalog() as catalog:
            digest = hashlib.sha256(music.data).hexdigest()
            row = None if catalog is None else catalog.sample_of(digest)
            if catalog is not None and row is not None:
                return form_sections(catalog, StoredSample.read(row), score)
    except MusictkError:  # a file is as readable without its row
        pass
    return sections(score)


def spans_of(music: NamedMusic, open_catalog: OpenCatalog) -> list[SectionSpan]:
    """What a picture tells apart: the sections, or what was given and what was written."""
    if not music.rewritten:
        return sections_of(music, open_catalog)
    lines = [int(line) for line in bars(music.score)]
    inside = [
        any(first <= number <= last for first, last in music.rewritten)
        for number in range(1, len(lines))
    ]
    found: list[SectionSpan] = []
    for written, start, stop in zip(inside, lines, lines[1:], strict=False):
        label = "written" if written else "given"
        if found and found[-1].label == label:
            found[-1] = found[-1]._replace(end=stop)
        else:
            found.append(SectionSpan(label, start, stop))
    return found


def form_sections(catalog: Catalog, stored: StoredSample, score: ScoreTick) -> list[SectionSpan]:
    """The sections of a stored sample's form; markers of music that the user gave are none.

    A theme is one section, and a prompt is before the first. Where notes were written to another
    sample, its sections are meant.
    """
    kept = next((stored.music[key] for key in _KEPT if key in stored.music), None)
    if kept is not None:
        row = catalog.sample_of(str(kept["sha256"]), before=stored.row.id)
        other = None if row is None else StoredSample.read(row)
        return sections(score) if other is None else form_sections(catalog, other, score)
    new = new_from(stored)
    return sections(score, _own_marks(stored, score, new) if new else None)


def new_from(stored: StoredSample) -> int:
    """The tick where the music that the user gave ends: a prompt or a theme; 0 without it."""
    given = stored.music.get("given")
    return int(given["tick"]) if given and not stored.music.get("new_only") else 0


def _own_marks(stored: StoredSample, score: ScoreTick, new: int) -> list[Mark]:
    """The markers that were written for the form; the user's are others, even at the same tick."""
    names = [section.name for section in stored.request.plan().sections]
    found = [(0, names.pop(0))] if stored.request.theme else []
    for tick, text in markers(score):
        if tick >= new and names and text == names[0]:
            found.append((tick, names.pop(0)))
    return found
