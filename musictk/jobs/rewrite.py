"""`sample --infill`: bars of the user's music are written again, and stored for `--like`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from musictk.catalog import Catalog
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.chosen_controls import bars_are, name_bars
from musictk.generation.compose import compose, context_length, remake
from musictk.generation.constraints import writes_drums
from musictk.generation.form import check_bars
from musictk.generation.keep import HARMONY, RHYTHM
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import resolve_sampling
from musictk.jobs.bundles import LoadedModel
from musictk.jobs.control_notices import announce_controls, announce_options, announce_places
from musictk.jobs.given_bars import KEPT, GivenBars, check_controls, check_written, parse_bars
from musictk.jobs.given_music import check_controls_of_file, require_music
from musictk.jobs.infill import Infill
from musictk.jobs.mixture import mixtures
from musictk.jobs.named_music import find_music
from musictk.jobs.part_defaults import rewrite_controls
from musictk.jobs.pieces import require_targets, target
from musictk.jobs.sample_rows import SampleRows
from musictk.jobs.samples import (
    SampleBatch,
    SampleListener,
    SampleRequest,
    draw_seed,
)
from musictk.jobs.stored import Remade, StoredSample
from musictk.model.memory import enough_memory
from musictk.music import notes
from musictk.runtime import Runtime
from musictk.workspace import Workspace

# Uses of music that exclude each other.
_OTHERS = (
    "prompt",
    "theme",
    "form",
    "new_only",
    "accompany",
    "program",
)
_OF_RHYTHM = ("density", "polyphony")  # controls of how many notes there are
_ENDS = ("max_tokens", "metre")  # options of sampling that the given music decides


def check_infill(asked: SampleRequest) -> None:
    """Raise UsageError for options that cannot be combined with `infill`."""
    for name in _OTHERS:
        if getattr(asked, name):
            raise UsageError(
                f"--infill cannot be combined with --{name.replace('_', '-')}",
                "it writes bars of a piece again, in its form",
            )
    for name in _ENDS:
        if asked.options.get(name):
            raise UsageError(
                f"--{name.replace('_', '-')} does not apply to --infill",
                "the bars keep their number and their metres: leave it out",
            )
    check_controls_of_file(asked.controls, "--infill", "the bars keep")
    if asked.keep not in KEPT:
        raise UnknownNameError("part of music to keep", asked.keep, [*filter(None, KEPT)])
    number = next((one for one in asked.controls if one.name in _OF_RHYTHM), None)
    if asked.keep == RHYTHM and number is not None:
        raise UsageError(
            f"{number.name}={number.value} does not apply to --keep rhythm",
            "the bars keep the number of their notes: leave it out",
        )
    if not str(asked.bars or "").strip():
        raise UsageError("--infill needs the bars to write again", "add --bars, such as 9-12")


def rewrite(
    catalog: Catalog | None,
    workspace: Workspace,
    asked: SampleRequest,
    opened: LoadedModel,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Write `asked.bars` of the music `asked.infill` again; the candidates are ranked."""
    manifest = opened.runtime.manifest
    tokenizer = manifest.make_tokenizer()
    require_music(tokenizer, "bars to fill")
    music = find_music(str(asked.infill), workspace, lambda: nullcontext(catalog))
    controlled = asked.keep == HARMONY or manifest.controls.need_guidance(
        one.name for one in asked.controls
    )
    base = PieceRequest(
        conditions=mixtures(catalog, manifest.conditions, asked.labels),
        seed=draw_seed(asked.seed),
        count=asked.count,
        sampling=resolve_sampling(
            manifest.sampling, asked.options, planned=True, controlled=controlled
        ),
        samplers=asked.samplers,
    )
    whole = GivenBars(music.midi, (), asked.controls, keep=asked.keep, chords=True)
    ranges = parse_bars(str(asked.bars), len(whole.lines) - 1)
    for first, last in ranges:
        check_bars(last - first + 1)
    given = replace(whole, ranges=ranges).with_track(asked.track)
    given = given.beside_melody()
    controls, said = rewrite_controls(given, asked.controls, manifest.controls)
    given = replace(given, controls=controls)
    check_controls(given)
    announce_controls(manifest.controls, tokenizer, asked.controls, listener)
    announce_options(base, asked, manifest, listener)
    if listener is not None:
        for text in said:
            listener.notice(text)
    written = f"only {bars_are(ranges)} written"
    announce_places(given.numbered_controls, ranges, written, listener)
    return write_again(catalog, workspace, opened, given, base, out, listener, music.path)


def write_again(
    catalog: Catalog | None,
    workspace: Workspace,
    opened: LoadedModel,
    given: GivenBars,
    base: PieceRequest,
    out: Path | None,
    listener: SampleListener | None,
    source: Path,
) -> SampleBatch:
    """Write the bars of `given` again: `base.count` candidates, the likeliest first.

    `source` is the file that they were read from, which no candidate may replace.
    """
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    check_written(given)
    if not writes_drums(tokenizer):
        given = given.without_drums()
    infill = Infill(runtime, tokenizer, given, base.sampling)
    infill.check_controls()
    request = infill.first(base)
    require_targets(out, opened.name, request, tokenizer, source)
    _announce(infill, request, listener)
    rows = SampleRows(catalog, workspace, opened, request, new_only=False)
    rows.store_bars(given)
    with enough_memory("ask for a smaller --count or fewer bars"):
        composed = compose(runtime, tokenizer, request, listener, scored=True)
        found = sorted(map(infill.finish, composed), key=lambda one: one.rewritten.nats)
    first: dict[bytes, str] = {}  # the name of the first file with this content
    for rank, one in enumerate(found):
        path = target(out, opened.name, request, rank, tokenizer)
        same = first.setdefault(one.data, path.name)
        notice = "" if same == path.name else f"{path.name} is equal to {same}"
        rows.deliver(path, one.write, one.composition, one.rewritten, notice)
    return rows.batch()


def repeat_rewrite(
    catalog: Catalog,
    workspace: Workspace,
    stored: StoredSample,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Repeat a stored sample whose bars were written again."""
    given = GivenBars.read(workspace, stored.music["infill"])

    def again(runtime: Runtime) -> Remade:
        tokenizer = runtime.manifest.make_tokenizer()
        made = remake(runtime, tokenizer, stored.request, stored.index, listener, scored=True)
        candidate = Infill(runtime, tokenizer, given, stored.request.sampling).finish(made)
        return Remade(made, candidate.write, candidate.rewritten)

    return stored.repeat(catalog, workspace, out, again)


def _announce(infill: Infill, request: PieceRequest, listener: SampleListener | None) -> None:
    """Notices before composing, about what the model cannot represent or see of the piece."""
    if listener is None:
        return
    if infill.given.drums_stay:
        listener.notice("the model writes no drums: those of the bars stay unchanged")
    if infill.given.keep != RHYTHM and (later := _held_into(infill.given)):
        listener.notice(
            f"notes that are written again last into {name_bars(later)}, and end before them now:"
            " --keep rhythm keeps their lengths"
        )
    if infill.dropped:
        dropped = ", ".join(infill.dropped)
        listener.notice(
            f"the model cannot represent {dropped} of the piece;"
            " the bars that are kept are written unchanged"
        )
    if metres := infill.free_metres:
        listener.notice(
            f"the model does not write {' and '.join(metres)} in turn: the new bars and their"
            " controls can begin before or after the bar lines of the file"
        )
    most = context_length(infill.runtime.manifest, request.sampling)
    used = len(request.prompt) + len(request.after) + len(request.beside)
    if used >= most:
        listener.notice(
            f"the music around the bars has {used:,} positions and the model's context {most:,}:"
            " it uses the nearest bars"
        )


def _held_into(given: GivenBars) -> list[tuple[int, int]]:
    """The bars after each range into which its notes last: by more than a quarter of a beat."""
    found, lines = notes(given.two_parts[0], drums=False), np.array(given.lines)
    later = []
    for (_, last), place in zip(given.ranges, given.places, strict=True):
        end = (
            int(found.end[place.begins(found)].max(initial=0)) - given.score.ticks_per_quarter // 4
        )
        if end > place.stop:
            later.append((last + 1, int(np.searchsorted(lines, min(end, int(lines[-1]))))))
    return later
