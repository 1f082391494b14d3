"""`sample --like ID --section B`: a section of a stored sample is written again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.catalog.models import Sample
from musictk.errors import MusictkError, UsageError
from musictk.files import scratch
from musictk.generation.chosen_controls import ChosenControl, bar_numbers, moved_back
from musictk.generation.request import PieceRequest
from musictk.jobs.bundles import open_source
from musictk.jobs.form_sections import form_sections, new_from
from musictk.jobs.given_bars import GivenBars, section_bars
from musictk.jobs.given_music import require_music
from musictk.jobs.pieces import check_name
from musictk.jobs.prompt import PromptMusic, stored_controls
from musictk.jobs.rewrite import write_again
from musictk.jobs.sample import repeat_sample
from musictk.jobs.samples import SampleBatch, SampleListener, draw_seed
from musictk.jobs.stored import StoredSample, read_file
from musictk.music import bars, notes
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.rendering.midi import SectionSpan
from musictk.tokens import METRE
from musictk.workspace import Workspace

_NUMBERED = re.compile(r"(.*?)\[?([1-9]\d*)\]?")


def recompose(
    catalog: Catalog,
    workspace: Workspace,
    sample_id: int,
    section: str,
    out: Path | None = None,
    seed: int | None = None,
    count: int = 1,
    listener: SampleListener | None = None,
) -> SampleBatch:
    """Write a section of a stored sample again, with its settings, and keep all the rest.

    `section` is a label such as "B", for all sections B, or with a number such as "B2", for the
    second. Without a `seed` there is a new one. Raises MusictkError if the sample has no such
    section, or if its file is gone and its model has changed.
    """
    row = catalog.sample(sample_id)
    stored = StoredSample.read(row)
    made = stored.request
    notice = None if listener is None else listener.notice
    opened = open_source(catalog, workspace, stored.source, notice=notice)
    tokenizer = opened.runtime.manifest.make_tokenizer()
    check_name(out, tokenizer)
    require_music(tokenizer, "bars to fill")
    if stored.music.get("accompany") is not None:
        raise UsageError(
            f"sample {sample_id} is a part beside your music, without sections",
            f"to write bars of it again: --infill {row.path} --bars 9-12 --track N",
        )
    data = _file_of(catalog, workspace, row, listener)
    score = read_midi(data, Limits()).score
    known = _sections(catalog, stored, score)
    chosen = _written(_chosen(section, known, sample_id), section, stored)
    found = section_bars(score, chosen)
    if not found:
        raise UsageError(f"section {section} of sample {sample_id} has no bar", "choose another")
    if len(chosen) > 1 and listener is not None:
        listener.notice(
            f"each of the {len(chosen)} sections {section} is written without the others;"
            f" to keep the others: --section {section}1"
        )
    base = PieceRequest(
        conditions=made.conditions,
        seed=draw_seed(seed),
        count=count,
        sampling=replace(made.sampling, max_tokens=0),
        samplers=made.samplers,
    )
    given = replace(_given(workspace, stored, data, known), ranges=found, chords=True)
    source = workspace.resolve(row.path)
    return write_again(catalog, workspace, opened, given, base, out, listener, source)


def _file_of(
    catalog: Catalog, workspace: Workspace, row: Sample, listener: SampleListener | None
) -> bytes:
    """The sample as it was written; made again where the file is gone or was changed."""
    data, changed = read_file(workspace.resolve(row.path), row)
    if data and not changed:
        return data
    if changed and listener is not None:
        listener.notice(
            f"{row.path} was changed since: the earlier version is used;"
            f" for bars of the changed file: --infill {row.path} --bars N"
        )
    with scratch() as folder:
        path = folder / "sample.mid"
        batch = repeat_sample(catalog, workspace, row.id, path)
        if batch.moved:
            raise MusictkError(str(batch.moved[0].message), batch.moved[0].hint)
        return path.read_bytes()


def _sections(catalog: Catalog, stored: StoredSample, score: ScoreTick) -> list[SectionSpan]:
    """The sections of a sample; its last notes may sound longer than the last section."""
    found = form_sections(catalog, stored, score)
    if not found:
        return found
    lines = bars(score)
    if any(stored.music.values()):  # up to the bar in which the last note begins
        end = int(np.searchsorted(lines, notes(score).start.max(), "right"))
    else:
        last = stored.request.plan().sections[-1].bars
        end = int(np.searchsorted(lines, found[-1].start)) + last
    stop = int(lines[min(end, len(lines) - 1)])
    ends = [*(each.start for each in found[1:]), max(stop, found[-1].start + 1)]
    return [each._replace(end=end) for each, end in zip(found, ends, strict=True)]


def _written(
    chosen: Sequence[SectionSpan], section: str, stored: StoredSample
) -> list[SectionSpan]:
    """Those that the model wrote; a theme is the user's. Raises UsageError where there is none."""
    new = new_from(stored)
    found = [each for each in chosen if each.start >= new]
    if not found:
        raise UsageError(
            f"section {section} of sample {stored.row.id} is the theme that you gave",
            "choose another section, or write bars of it again: --infill FILE --bars N",
        )
    return found


def _chosen(section: str, known: Sequence[SectionSpan], sample_id: int) -> list[SectionSpan]:
    """The sections that a label means, or a label with a number."""
    found = _labelled(section, known)
    match = _NUMBERED.fullmatch(section.strip())
    if not found and match is not None:
        number = int(match[2])
        found = _labelled(match[1], known)[number - 1 : number]
    if not found:
        names = " ".join(each.label for each in known)
        hint = f"its sections are {names}" if names else "rewrite bars: --infill FILE --bars N"
        raise UsageError(f"sample {sample_id} has no section {section!r}", hint)
    return found


def _labelled(label: str, known: Sequence[SectionSpan]) -> list[SectionSpan]:
    """A' is a section A too; so is the label A' itself."""
    label = label.strip().casefold()
    names = [(each, each.label.casefold()) for each in known]
    return [each for each, name in names if label in (name, name.rstrip("'"))]


def _given(
    workspace: Workspace, stored: StoredSample, data: bytes, known: Sequence[SectionSpan]
) -> GivenBars:
    """The file of a sample, and the controls of its bars.

    Of a sample whose bars were written again, the same tracks are, and the same is kept.
    """
    if (rewritten := stored.music.get("infill")) is not None:
        given = replace(GivenBars.read(workspace, rewritten), data=data)
        controls = given.numbered_controls
    else:
        given = GivenBars(data, ())
        controls = _numbered(workspace, stored, given, known)
    return replace(given, controls=tuple(one for one in controls if one.name != METRE))


def _numbered(
    workspace: Workspace, stored: StoredSample, given: GivenBars, known: Sequence[SectionSpan]
) -> list[ChosenControl]:
    """The controls of a sample, each for bars of its file."""
    made, music = stored.request, stored.music.get("given") or {}
    of_file = stored_controls(music)
    left_out = made.theme if stored.music.get("new_only") else 0
    if left_out and of_file is not None:
        left_out = PromptMusic.read(workspace, music).bars
    before = int(np.searchsorted(given.lines, known[0].start))  # bars of a prompt
    found: list[ChosenControl] = []
    for one in made.controls if of_file is None else of_file:
        if one.for_section:
            spans = _labelled(one.where, known)
            ranges = [place for each in spans for place in section_bars(given.score, [each])]
            found += [one._replace(where=f"{first}-{last}") for first, last in ranges]
            continue
        first, last = bar_numbers(one.where) or (1, len(given.lines) + left_out)
        placed = one._replace(where=f"{before + first}-{before + last}")
        found += moved_back([placed], left_out)
    return found
