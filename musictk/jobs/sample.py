"""Compose pieces with a trained model, and keep what made them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from musictk.catalog import Catalog
from musictk.config import build
from musictk.errors import MusictkError, UsageError
from musictk.generation.compose import Composition, Listener, compose, remake
from musictk.generation.request import Request, to_prompt
from musictk.generation.sampling import Links, settle
from musictk.ingest import read_piece
from musictk.jobs.bundles import Opened, Source, known_source, open_source
from musictk.jobs.mixture import mixtures
from musictk.jobs.pieces import check_name, target, write_composition
from musictk.model.conditions import OTHER
from musictk.model.manifest import Manifest
from musictk.rendering.abc import abc_to_score
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer
from musictk.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """What is asked for, before the model is known that it is asked of."""

    source: Source = field(default_factory=Source)
    labels: Mapping[str, str] = field(default_factory=dict)  # category -> LABEL, LABEL:WEIGHT, …
    form: str = ""
    bars: int = 0
    seed: int | None = None  # None: one that was not used before
    count: int = 1
    dials: Mapping[str, Any] = field(default_factory=dict)  # of `Sampling`, not the model's own
    samplers: Links = ()
    prompt: Path | None = None


@dataclass(frozen=True)
class Made:
    """One file that was written."""

    id: int  # of its row: `sample --like ID` makes it again
    path: Path
    composition: Composition
    source: str  # which model, in words


@dataclass(frozen=True)
class Batch:
    """What came of a request."""

    made: tuple[Made, ...]
    failed: tuple[MusictkError, ...] = ()  # pieces that were composed and could not be written
    folded: tuple[str, ...] = ()  # labels that have no vector of their own
    unheard: int = 0  # positions of the prompt that `prompt_tokens` leaves out


def sample(
    catalog: Catalog,
    workspace: Workspace,
    asked: Asked,
    out: Path | None = None,
    listener: Listener | None = None,
) -> Batch:
    """Compose `asked.count` pieces and write each; many are numbered out-1.mid, out-2.mid, …

    Raises MusictkError where none of them can be written.
    """
    opened = open_source(catalog, workspace, asked.source)
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    check_name(out, tokenizer)
    prompt = () if asked.prompt is None else to_prompt(_encoded(tokenizer, asked.prompt))
    request = _request(catalog, runtime.manifest, asked, prompt)
    made: list[Made] = []
    failed: list[MusictkError] = []
    for composition in compose(runtime, tokenizer, request, listener):
        path = target(out, opened.name, request, composition.row, tokenizer)
        try:
            write_composition(tokenizer, composition, path)
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
                **request.plain(),
            },
            opened.run,
        )
        made.append(Made(row.id, path, composition, opened.name))
    if failed and not made:
        raise failed[0]
    unheard = len(prompt) - len(request.prompt)
    return Batch(tuple(made), tuple(failed), _folded(runtime, request), unheard)


def _request(
    catalog: Catalog, manifest: Manifest, asked: Asked, prompt: tuple[Any, ...]
) -> Request:
    """Everything settled: the names that the model knows, its own dials, a seed."""
    planned = Request(form=asked.form, bars=asked.bars).planned
    sampling = settle(manifest.sampling, asked.dials, planned)
    request = Request(
        conditions=mixtures(catalog, manifest.conditions, asked.labels),
        form=asked.form,
        bars=asked.bars,
        seed=secrets.randbits(31) if asked.seed is None else asked.seed,
        count=asked.count,
        sampling=sampling,
        samplers=asked.samplers,
        prompt=prompt,
    )
    return replace(request, prompt=request.heard)  # what is left out need not be kept


def again(
    catalog: Catalog,
    workspace: Workspace,
    sample_id: int,
    out: Path | None = None,
    listener: Listener | None = None,
) -> Batch:
    """Make a sample again from its row, bit for bit on the same machine.

    Raises MusictkError where the model is not the one it came from any more.
    """
    row = catalog.sample(sample_id)
    values = dict(row.request)
    source = known_source(build(Source, values.pop("source"), "sample"))
    index = int(values.pop("row"))
    opened = open_source(catalog, workspace, source, f"sample {sample_id}", row.bundle)
    request = Request.read(values)
    tokenizer = opened.runtime.manifest.make_tokenizer()
    found = remake(opened.runtime, tokenizer, request, index, listener)
    path = out or workspace.resolve(row.path)
    write_composition(tokenizer, found, path)
    made = Made(row.id, path, found, opened.name)
    return Batch((made,), folded=_folded(opened.runtime, request))


def _encoded(tokenizer: Tokenizer, prompt: Path) -> NDArray[Any]:
    """The prompt as the model reads it; ABC notation is music to a model of music."""
    piece = read_piece(prompt)
    if isinstance(piece, str) and "midi" in tokenizer.reads:
        piece = abc_to_score(piece)
    try:
        return tokenizer.encode(piece)
    except ValueError as error:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise UsageError(
            f"cannot go on from {prompt}: {error}", f"this model reads {kinds}"
        ) from error


def _folded(runtime: Runtime, request: Request) -> tuple[str, ...]:
    known = runtime.manifest.conditions
    return tuple(
        label
        for category, weighted in request.conditions.items()
        for label, _ in weighted
        if known.id(category, label) == 1 and label.upper() != OTHER
    )


def _plain(source: Source, opened: Opened) -> dict[str, Any]:
    """The source as it was resolved: run and engine by name, so that later runs change nothing."""
    named = replace(source, run=opened.run, runtime=opened.runtime.name)
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(named).items()
    }
