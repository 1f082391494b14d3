"""`sample --accompany`: another part is written beside the user's music, and added to its file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from musictk.catalog import Catalog
from musictk.errors import UsageError
from musictk.generation.chosen_controls import check_counts
from musictk.generation.compose import compose, remake
from musictk.generation.constraints import TRAIN_PROGRAMS, writes_drums
from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.ending import key_of_given
from musictk.generation.file_bars import check_for_file, for_file, for_model
from musictk.generation.form import MOST_BARS, check_bars
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import Sampling, resolve_sampling
from musictk.instruments import DRUM_KIT, instrument_name
from musictk.jobs.accompaniment import Added, Melody
from musictk.jobs.bundles import LoadedModel
from musictk.jobs.control_notices import announce_controls, announce_options
from musictk.jobs.given_music import (
    GivenMusic,
    check_controls_of_file,
    find_program,
    find_tracks,
    require_music,
)
from musictk.jobs.mixture import mixtures
from musictk.jobs.named_music import find_music
from musictk.jobs.part_defaults import has_one_note, other_tracks_notice, part_controls
from musictk.jobs.pieces import require_targets, target
from musictk.jobs.sample_rows import SampleRows
from musictk.jobs.samples import (
    SampleBatch,
    SampleListener,
    SampleRequest,
    draw_seed,
)
from musictk.jobs.stored import Remade, StoredSample
from musictk.model.manifest import Manifest
from musictk.model.memory import enough_memory
from musictk.runtime import Runtime
from musictk.tokens import METRE, PROGRAM, Tokenizer
from musictk.workspace import Workspace

_OTHERS = ("prompt", "theme", "form", "new_only")  # uses of music that exclude each other


def check_accompany(asked: SampleRequest) -> None:
    """Raise UsageError for options that cannot be combined with `accompany`, or need it."""
    if asked.accompany is None:
        if asked.track and asked.infill is None:
            raise UsageError(
                "--track needs music to write a part beside, or of which to rewrite a part",
                "add --accompany FILE or --infill FILE",
            )
        if asked.program:
            raise UsageError("--program needs music to write a part beside", "add --accompany FILE")
        return
    if asked.program and asked.options.get("programs"):
        raise UsageError(
            "--program cannot be combined with --programs", "--program gives the part's instrument"
        )
    for name in _OTHERS:
        if getattr(asked, name):
            raise UsageError(
                f"--accompany cannot be combined with --{name.replace('_', '-')}",
                "it writes another part of the same bars",
            )
    check_controls_of_file(asked.controls, "--accompany", "the part has", asked.options.get(METRE))


def accompany(
    catalog: Catalog | None,
    workspace: Workspace,
    asked: SampleRequest,
    opened: LoadedModel,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Write a part beside the music `asked.accompany`, `asked.count` times."""
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    require_music(tokenizer, "parts")
    music = find_music(str(asked.accompany), workspace, lambda: nullcontext(catalog))
    tracks = find_tracks(music.score, music.midi, asked.track)
    program = find_program(asked.program)
    one_note = has_one_note(program, asked.controls)
    given = GivenMusic(music.midi, tracks, program, False, one_note, int(asked.bars))
    melody = Melody(tokenizer, given)
    bars, count = _bars_written(melody)
    owners = melody.owners(count)
    known = runtime.manifest.controls
    controls, said = part_controls(given, asked.controls, known)
    check_counts(PieceRequest(bars=bars).plan(), controls)
    sampling = _sampling(runtime.manifest, asked, tokenizer, given.program)
    check_for_file(known, tokenizer, sampling, controls, range(1, min(bars, MOST_BARS) + 1))
    request = PieceRequest(
        conditions=mixtures(catalog, runtime.manifest.conditions, asked.labels),
        bars=count,
        controls=tuple(for_model(controls, owners)),
        seed=draw_seed(asked.seed),
        count=asked.count,
        sampling=sampling,
        samplers=asked.samplers,
        beside=to_prompt(melody.sequence(count)),
        following=melody.count - count,
        ends_in=key_of_given(given.part, whole=False),  # its last bass may be a note of a melody
    )
    require_targets(out, opened.name, request, tokenizer, music.path)
    announce_controls(known, tokenizer, asked.controls, listener)
    announce_options(request, asked, runtime.manifest, listener)
    _announce([*said, *other_tracks_notice(given)], melody, bars, listener)
    rows = SampleRows(catalog, workspace, opened, request, new_only=False)
    rows.store_part(given)
    with enough_memory("ask for a smaller --count or fewer --bars"):
        composed = compose(runtime, tokenizer, request, listener)
    for one in composed:
        path = target(out, opened.name, request, one.row, tokenizer)
        notices = tuple(for_file(one.notices, controls, owners, (1, bars)))
        rows.deliver(path, Added(melody, one).write, replace(one, notices=notices))
    return rows.batch()


def _bars_written(melody: Melody) -> tuple[int, int]:
    """How many bars are written: of the file, and of the model. Raises UsageError for too many."""
    wanted, most = melody.given.bars, melody.bars
    if not wanted:
        count = min(melody.count, MOST_BARS)
        return most if count == melody.count else melody.owners(count)[-1], count
    if wanted > most:
        raise UsageError(f"the given part has {most} bars, not {wanted}", "give fewer --bars")
    count = melody.count_beside(wanted)
    check_bars(count)
    return wanted, count


def _announce(
    said: Sequence[str], melody: Melody, bars: int, listener: SampleListener | None
) -> None:
    """Notices before composing: those given, and what the model cannot represent."""
    if listener is None:
        return
    if bars < melody.bars and not melody.given.bars:
        listener.notice(f"the part is written beside the first {bars} of {melody.bars} bars")
    for text in said:
        listener.notice(text)
    if dropped := dropped_prompt(melody.tokenizer, melody.given.part, melody.music):
        listener.notice(
            f"the model cannot represent {', '.join(dropped)} of the given part;"
            " the part itself is written unchanged"
        )


def _sampling(
    manifest: Manifest, asked: SampleRequest, tokenizer: Tokenizer, program: int | None
) -> Sampling:
    """The sampling options, limited to the instrument of the part where the model writes it."""
    options = dict(asked.options)
    if program == DRUM_KIT and not writes_drums(tokenizer):
        raise UsageError("this model writes no drums", TRAIN_PROGRAMS)
    if program is not None:
        writes = PROGRAM in tokenizer.attributes()
        name = instrument_name(max(program, 0), program == DRUM_KIT)
        options["programs"] = name if writes else ""
    controlled = manifest.controls.need_guidance(one.name for one in asked.controls)
    return resolve_sampling(manifest.sampling, options, planned=True, controlled=controlled)


def repeat_accompaniment(
    catalog: Catalog,
    workspace: Workspace,
    stored: StoredSample,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Repeat a stored sample that was written beside given music."""
    given = GivenMusic.read(workspace, stored.music["accompany"])

    def again(runtime: Runtime) -> Remade:
        tokenizer = runtime.manifest.make_tokenizer()
        made = remake(runtime, tokenizer, stored.request, stored.index, listener)
        return Remade(made, Added(Melody(tokenizer, given), made).write)

    return stored.repeat(catalog, workspace, out, again)
