"""Compose pieces with a trained model, and store how each was made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UsageError
from musictk.generation.chosen_controls import check_counts, check_no_section
from musictk.generation.compose import Composition, compose, context_length, remake
from musictk.generation.metres import FREE, STEADY, changes_metre, find_metre
from musictk.generation.prompts import count_bars
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import Sampling, resolve_sampling
from musictk.generation.scaled_request import ScaledRequest
from musictk.generation.section_memory import repeats_exactly
from musictk.jobs.accompany import accompany, check_accompany, repeat_accompaniment
from musictk.jobs.bundles import LoadedModel, open_source
from musictk.jobs.control_notices import announce_controls, announce_plan
from musictk.jobs.join_metre import in_late_metre
from musictk.jobs.mixture import mixtures
from musictk.jobs.named_music import NamedMusic, find_music
from musictk.jobs.original import OriginalPiece, check_original, draw_original, open_reference
from musictk.jobs.pieces import check_name, require_targets, target, write_composition
from musictk.jobs.prompt import Prompt, PromptMusic, announce_prompt, read_prompt
from musictk.jobs.rewrite import check_infill, repeat_rewrite, rewrite
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
from musictk.tokens import Tokenizer
from musictk.workspace import Workspace


def sample(
    catalog: Catalog | None,
    workspace: Workspace,
    asked: SampleRequest,
    out: Path | None = None,
    listener: SampleListener | None = None,
) -> SampleBatch:
    """Compose `asked.count` pieces and write each; several are numbered out-1.mid, out-2.mid, …

    Each is stored in the catalog, unless there is none or it is read-only. A piece whose file
    cannot be written is written to a temporary folder. Raises MusictkError if none of them can be
    written, and WriteError before composing if `out` cannot be.
    """
    notice = None if listener is None else listener.notice
    opened = open_source(catalog, workspace, asked.source, notice=notice)
    check_name(out, opened.runtime.manifest.make_tokenizer())
    _check(asked, opened.runtime.manifest.controls.strict)
    if asked.infill is not None:
        return rewrite(catalog, workspace, asked, opened, out, listener)
    asked = replace(asked, bars=_number(asked.bars))
    if asked.accompany is not None:
        return accompany(catalog, workspace, asked, opened, out, listener)
    return _sample(catalog, workspace, asked, opened, out, listener)


def _sample(
    catalog: Catalog | None,
    workspace: Workspace,
    asked: SampleRequest,
    opened: LoadedModel,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Compose new pieces, or continue a given one."""
    runtime, known = opened.runtime, opened.runtime.manifest.controls
    tokenizer = runtime.manifest.make_tokenizer()
    sampling = _sampling(runtime.manifest, asked)
    music = _given_music(catalog, workspace, asked)
    prompt = None if music is None else _prompt(tokenizer, music, asked, sampling)
    if prompt is not None:
        if asked.theme is not None:
            sampling = _for_theme(tokenizer, prompt, asked, sampling, listener)
        sampling, asked = in_late_metre(tokenizer, known, prompt, asked, sampling, listener)
    scaled = _request(catalog, runtime.manifest, asked, sampling, prompt)
    of_file, request = scaled.asked, scaled.request
    find_metre(tokenizer, sampling.metre)
    source = None if music is None else music.path
    require_targets(out, opened.name, request, tokenizer, source)
    before = 0 if prompt is None or asked.theme is not None else prompt.bars
    check_counts(of_file.plan(), asked.controls, before, of_file.theme)
    scaled.check(known, tokenizer)
    announce_controls(known, tokenizer, asked.controls, listener)
    announce_plan(of_file, asked, runtime.manifest, listener)
    if listener is not None and sampling.cadence and repeats_exactly(request.plan(), sampling):
        listener.notice("the piece ends as its theme does, without a cadence: --variation 0")
    announce_prompt(prompt, request, context_length(runtime.manifest, sampling), listener)
    given = None
    if prompt is not None:
        given = prompt.for_bars(0 if asked.form.strip() else _number(asked.bars), asked.controls)
    rows = SampleRows(catalog, workspace, opened, request, asked.new_only)
    rows.store_prompt(given)
    failed: list[MusictkError] = []
    for row, composition, notice in _drawn(catalog, workspace, opened, asked, request, listener):
        path = target(out, opened.name, request, row, tokenizer)
        composition = replace(composition, notices=tuple(scaled.notices(composition.notices)))
        write = partial(
            write_composition, tokenizer, composition, prompt=given, new_only=asked.new_only
        )
        try:
            rows.deliver(path, write, composition, notice=notice)
        except MusictkError as error:  # of text that is not valid ABC; other pieces may be
            failed.append(error)
    batch = rows.batch(failed)
    if failed and not batch.made:
        raise failed[0]
    return batch


def _drawn(
    catalog: Catalog | None,
    workspace: Workspace,
    opened: LoadedModel,
    asked: SampleRequest,
    request: PieceRequest,
    listener: SampleListener | None,
) -> Iterable[OriginalPiece]:
    """The pieces of a request; with `original` those that share little with the training set."""
    runtime, tokenizer = opened.runtime, opened.runtime.manifest.make_tokenizer()
    if not asked.original:
        return [
            OriginalPiece(each.row, each)
            for each in _composed(runtime, tokenizer, request, listener)
        ]
    reference = open_reference(catalog, workspace, opened.reference_folder, tokenizer)
    compose = partial(_composed, runtime, tokenizer, listener=listener)
    return draw_original(reference, tokenizer, request, compose)


def _composed(
    runtime: Runtime, tokenizer: Tokenizer, request: PieceRequest, listener: SampleListener | None
) -> list[Composition]:
    """The pieces; raises MusictkError where they do not fit into memory."""
    with enough_memory("ask for a smaller --count or fewer --bars"):
        return compose(runtime, tokenizer, request, listener)


def _number(bars: int | str) -> int:
    """A number of bars; 0 if none is given. Raises UsageError for other text."""
    if not str(bars).strip():
        return 0
    if isinstance(bars, str) and not bars.strip().isdecimal():
        ranges = re.fullmatch(r"\s*\d[\d\s,–-]*", bars)
        hint = "for bars of a file: --infill FILE" if ranges else "write such as --bars 8"
        raise UsageError(f"--bars {bars!r} is not a number of bars", hint)
    return int(bars) if isinstance(bars, str) else bars


def _check(asked: SampleRequest, strict: frozenset[str]) -> None:
    """Raise UsageError for options that cannot be combined; `strict` are controls for --strict."""
    if asked.options.get("strict") and not strict & {one.name for one in asked.controls}:
        raise UsageError("--strict needs a key", "add --control 'key=E minor'")
    if asked.infill is not None:
        check_infill(asked)
    elif asked.keep:
        raise UsageError("--keep needs the bars to write again", "add --infill FILE --bars 9-12")
    check_accompany(asked)
    if asked.original:
        check_original(asked)
    if asked.theme is not None and asked.prompt is not None:
        raise UsageError(
            "--theme cannot be combined with --prompt",
            "use --theme for the first section of a form, --prompt to continue a piece",
        )
    if asked.theme is not None and not asked.form.strip():
        raise UsageError("--theme needs a form, of which it is the first section", "add --form ABA")
    if asked.theme is not None and asked.options.get("prompt_tokens"):
        raise UsageError("--prompt-tokens does not apply to a theme", "leave it out")
    if not asked.form.strip():
        check_no_section(asked.controls)
    if asked.new_only and asked.theme is None and asked.prompt is None:
        raise UsageError("--new-only needs a prompt or theme to leave out", "add --prompt")


def _sampling(manifest: Manifest, asked: SampleRequest) -> Sampling:
    """The options that were set, else the model's saved defaults."""
    planned = bool(asked.form.strip() or asked.bars)
    controlled = manifest.controls.need_guidance(one.name for one in asked.controls)
    return resolve_sampling(manifest.sampling, asked.options, planned, controlled)


def _given_music(
    catalog: Catalog | None, workspace: Workspace, asked: SampleRequest
) -> NamedMusic | None:
    """The music to continue, or the theme."""
    path = asked.prompt if asked.theme is None else asked.theme
    if path is None:
        return None
    return find_music(str(path), workspace, lambda: nullcontext(catalog))


def _prompt(
    tokenizer: Tokenizer, music: NamedMusic, asked: SampleRequest, sampling: Sampling
) -> Prompt:
    return read_prompt(tokenizer, music, 0 if asked.theme is not None else sampling.prompt_tokens)


def _for_theme(
    tokenizer: Tokenizer,
    theme: Prompt,
    asked: SampleRequest,
    sampling: Sampling,
    listener: SampleListener | None,
) -> Sampling:
    """The sampling options; with free metres for a theme that changes its own, or it could not
    return."""
    steady = sampling.metre == STEADY and "metre" not in asked.options
    if not steady or not changes_metre(tokenizer, theme.sequence):
        return sampling
    if listener is not None:
        listener.notice("the theme changes its metre, and so may other sections: --metre free")
    return replace(sampling, metre=FREE)


def _request(
    catalog: Catalog | None,
    manifest: Manifest,
    asked: SampleRequest,
    sampling: Sampling,
    prompt: Prompt | None,
) -> ScaledRequest:
    """The complete request: with the model's label names, its saved defaults and a seed."""
    theme, ratio = 0, Fraction(1) if prompt is None else prompt.ratio
    if prompt is not None and asked.theme is not None:
        theme = count_bars(manifest.make_tokenizer(), prompt.sequence)
    request = PieceRequest(
        conditions=mixtures(catalog, manifest.conditions, asked.labels),
        form=asked.form,
        bars=_number(asked.bars),
        controls=asked.controls,
        seed=draw_seed(asked.seed),
        count=asked.count,
        sampling=sampling,
        samplers=asked.samplers,
        prompt=() if prompt is None else to_prompt(prompt.sequence),
        whole=prompt is not None and prompt.whole,
        ends_in="" if prompt is None else prompt.ends_in,
        theme=theme,
    )
    if not theme or prompt is None:
        return ScaledRequest(request, ratio)
    scaled = ScaledRequest(replace(request, theme=prompt.bars), ratio)
    return scaled if scaled.request.theme == theme else ScaledRequest(request, Fraction(1))


def repeat_sample(
    catalog: Catalog,
    workspace: Workspace,
    sample_id: int,
    out: Path | None = None,
    listener: SampleListener | None = None,
) -> SampleBatch:
    """Repeat a stored sample; bit for bit the same on the same machine.

    Raises MusictkError if the model has changed since.
    """
    stored = StoredSample.read(catalog.sample(sample_id))
    if "infill" in stored.music:
        return repeat_rewrite(catalog, workspace, stored, out, listener)
    if "accompany" in stored.music:
        return repeat_accompaniment(catalog, workspace, stored, out, listener)
    new_only, given = bool(stored.music.get("new_only")), stored.music.get("given")
    prompt = None if given is None else PromptMusic.read(workspace, given)

    def again(runtime: Runtime) -> Remade:
        tokenizer = runtime.manifest.make_tokenizer()
        found = remake(runtime, tokenizer, stored.request, stored.index, listener)
        write = partial(write_composition, tokenizer, found, prompt=prompt, new_only=new_only)
        return Remade(found, write)

    return stored.repeat(catalog, workspace, out, again)
