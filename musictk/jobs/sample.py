"""Compose pieces with a trained model, and keep what made them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from musictk.catalog import Catalog
from musictk.config import build
from musictk.errors import MusictkError, UsageError
from musictk.generation import compose as composing
from musictk.generation.compose import Composition, compose, context_length, remake
from musictk.generation.metres import find_metre
from musictk.generation.prompts import count_bars
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import Links, Sampling, resolve_sampling
from musictk.jobs.bundles import ModelSource, Opened, known_source, open_source
from musictk.jobs.given import Given, Prompt, read_prompt
from musictk.jobs.mixture import mixtures
from musictk.jobs.pieces import check_name, target, write_composition
from musictk.model.conditions import OTHER
from musictk.model.manifest import Manifest
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer
from musictk.workspace import Workspace


class SampleListener(composing.ComposeListener, Protocol):
    """Hears how far the pieces are, and what is to be known before."""

    def notice(self, text: str) -> None:
        """Something that the user should know before it is composed."""


@dataclass(frozen=True)
class Asked:
    """What is asked for, before the model is known that it is asked of."""

    source: ModelSource = field(default_factory=ModelSource)
    labels: Mapping[str, str] = field(default_factory=dict)  # category -> LABEL, LABEL:WEIGHT, …
    form: str = ""
    bars: int = 0
    seed: int | None = None  # None: one that was not used before
    count: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)  # of `Sampling`: those that were set
    samplers: Links = ()
    prompt: Path | None = None  # music to continue
    theme: Path | None = None  # music that is the first section of the form
    new_only: bool = False  # write the new bars without it


@dataclass(frozen=True)
class Made:
    """One file that was written."""

    id: int  # of its row: `sample --like ID` makes it again
    path: Path
    composition: Composition
    source: str  # which model, in words


@dataclass(frozen=True)
class SampleBatch:
    """What came of a request."""

    made: tuple[Made, ...]
    failed: tuple[MusictkError, ...] = ()  # pieces that were composed and could not be written
    folded: tuple[str, ...] = ()  # labels that have no vector of their own
    notices: tuple[str, ...] = ()  # what the files could not hold


def sample(
    catalog: Catalog,
    workspace: Workspace,
    asked: Asked,
    out: Path | None = None,
    listener: SampleListener | None = None,
) -> SampleBatch:
    """Compose `asked.count` pieces and write each; many are numbered out-1.mid, out-2.mid, …

    Raises MusictkError where none of them can be written.
    """
    opened = open_source(catalog, workspace, asked.source)
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    check_name(out, tokenizer)
    _check(asked)
    sampling = _sampling(runtime.manifest, asked)
    prompt = _prompt(tokenizer, asked, sampling)
    request = _request(catalog, runtime.manifest, asked, sampling, prompt)
    find_metre(tokenizer, sampling.metre)
    _announce(prompt, request, context_length(runtime.manifest, sampling), listener)
    given = None if prompt is None else prompt.for_bars(0 if asked.form.strip() else asked.bars)
    kept: dict[str, Any] = {} if given is None else {"given": given.kept(workspace)}
    kept |= {"new_only": True} if asked.new_only else {}
    made: list[Made] = []
    notices: list[str] = []
    failed: list[MusictkError] = []
    for composition in compose(runtime, tokenizer, request, listener):
        path = target(out, opened.name, request, composition.row, tokenizer)
        try:
            notices += write_composition(tokenizer, composition, path, given, asked.new_only)
        except MusictkError as error:  # of a text that is no tune; the others may be
            failed.append(error)
            continue
        row = catalog.add_sample(
            workspace.relative(path),
            hashlib.sha256(path.read_bytes()).hexdigest(),
            opened.digest,
            request.seed,
            {
                "source": _plain(asked.source, opened),
                "row": composition.row,
                **kept,
                **request.plain(),
            },
            opened.run,
        )
        made.append(Made(row.id, path, composition, opened.name))
    if failed and not made:
        raise failed[0]
    return SampleBatch(
        tuple(made), tuple(failed), _folded(runtime, request), tuple(dict.fromkeys(notices))
    )


def _check(asked: Asked) -> None:
    """Raises UsageError for options that do not go together."""
    if asked.theme is not None and asked.prompt is not None:
        raise UsageError(
            "--theme and --prompt are two ways to give one piece of music",
            "give one of them: --theme for a form, --prompt to continue",
        )
    if asked.theme is not None and not asked.form.strip():
        raise UsageError("--theme needs a form whose first section it is", "say --form ABA")
    if asked.theme is not None and asked.options.get("prompt_tokens"):
        raise UsageError("a theme is heard as a whole", "leave --prompt-tokens out")
    if asked.new_only and asked.theme is None and asked.prompt is None:
        raise UsageError("--new-only leaves out given music, and none is given", "add --prompt")


def _sampling(manifest: Manifest, asked: Asked) -> Sampling:
    """The options that were set, else the model's saved defaults."""
    planned = bool(asked.form.strip() or asked.bars)
    return resolve_sampling(manifest.sampling, asked.options, planned)


def _prompt(tokenizer: Tokenizer, asked: Asked, sampling: Sampling) -> Prompt | None:
    path = asked.prompt if asked.theme is None else asked.theme
    if path is None:
        return None
    return read_prompt(tokenizer, path, 0 if asked.theme is not None else sampling.prompt_tokens)


def _announce(
    prompt: Prompt | None, request: PieceRequest, most: int, listener: SampleListener | None
) -> None:
    """Before anything is composed: what the model does not hear, and what will be different."""
    if prompt is None or listener is None:
        return
    if prompt.dropped:
        said = "the given music itself is kept as it is"
        listener.notice(f"the model does not hear: {', '.join(prompt.dropped)}; {said}")
    heard = len(prompt.sequence)
    if heard >= most:
        listener.notice(
            f"the given music has {heard:,} positions and the model hears {most:,} at once:"
            " it hears the last bars"
        )
    if prompt.left_out:
        listener.notice(
            f"hears the last {heard:,} of the prompt's {heard + prompt.left_out:,} positions;"
            " --prompt-tokens 0 takes all"
        )
    metre = request.sampling.metre
    if prompt.metre and "/" in metre and metre != prompt.metre:
        listener.notice(f"the given music is in {prompt.metre}, the new bars are in {metre}")


def _request(
    catalog: Catalog,
    manifest: Manifest,
    asked: Asked,
    sampling: Sampling,
    prompt: Prompt | None,
) -> PieceRequest:
    """Everything settled: the names that the model knows, its saved defaults, a seed."""
    theme, ratio = 0, Fraction(1) if prompt is None else prompt.ratio
    if prompt is not None and asked.theme is not None:
        theme = count_bars(manifest.make_tokenizer(), prompt.sequence)
    request = PieceRequest(
        conditions=mixtures(catalog, manifest.conditions, asked.labels),
        form=asked.form,
        bars=asked.bars,
        seed=secrets.randbits(31) if asked.seed is None else asked.seed,
        count=asked.count,
        sampling=sampling,
        samplers=asked.samplers,
        prompt=() if prompt is None else to_prompt(prompt.sequence),
        whole=prompt is not None and prompt.whole,
        theme=theme,
    )
    if not theme or prompt is None:
        return request.scaled(ratio)
    scaled = replace(request, theme=prompt.bars).scaled(ratio)
    return scaled if scaled.theme == theme else request


def again(
    catalog: Catalog,
    workspace: Workspace,
    sample_id: int,
    out: Path | None = None,
    listener: SampleListener | None = None,
) -> SampleBatch:
    """Make a sample again from its row, bit for bit on the same machine.

    Raises MusictkError where the model is not the one it came from any more.
    """
    row = catalog.sample(sample_id)
    values = dict(row.request)
    source = known_source(build(ModelSource, values.pop("source"), "sample"))
    index = int(values.pop("row"))
    new_only, kept = bool(values.pop("new_only", False)), values.pop("given", None)
    given = None if kept is None else Given.read(workspace, kept)
    opened = open_source(catalog, workspace, source, f"sample {sample_id}", row.bundle)
    request = PieceRequest.read(values)
    tokenizer = opened.runtime.manifest.make_tokenizer()
    found = remake(opened.runtime, tokenizer, request, index, listener)
    path = out or workspace.resolve(row.path)
    notices = write_composition(tokenizer, found, path, given, new_only)
    made = Made(row.id, path, found, opened.name)
    return SampleBatch((made,), folded=_folded(opened.runtime, request), notices=tuple(notices))


def _folded(runtime: Runtime, request: PieceRequest) -> tuple[str, ...]:
    known = runtime.manifest.conditions
    return tuple(
        label
        for category, weighted in request.conditions.items()
        for label, _ in weighted
        if known.id(category, label) == 1 and label.upper() != OTHER
    )


def _plain(source: ModelSource, opened: Opened) -> dict[str, Any]:
    """The source as it was resolved: run and engine by name, so that later runs change nothing."""
    named = replace(source, run=opened.run, runtime=opened.runtime.name)
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(named).items()
    }
