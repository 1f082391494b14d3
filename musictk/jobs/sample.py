"""Compose pieces with a trained model, and keep what made them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from musictk.catalog import Catalog
from musictk.config import build
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.generation.compose import Composition, Listener, compose, remake
from musictk.generation.request import Request, Weighted, to_prompt
from musictk.generation.sampling import settle
from musictk.ingest import read_piece
from musictk.jobs.bundles import Source, open_source
from musictk.jobs.pieces import check_name, target, write_composition
from musictk.model.conditions import Conditions
from musictk.rendering import midi
from musictk.rendering.abc import abc_to_score
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer
from musictk.workspace import Workspace


@dataclass(frozen=True)
class Made:
    """One file that was written."""

    id: int  # of its row: `sample --like ID` makes it again
    path: Path
    sections: tuple[midi.Section, ...]
    composition: Composition
    source: str  # which model, in words
    folded: tuple[str, ...]  # labels that have no vector of their own


def sample(
    catalog: Catalog,
    workspace: Workspace,
    source: Source,
    request: Request,
    given: Mapping[str, Any],
    out: Path | None = None,
    listener: Listener | None = None,
    prompt: Path | None = None,
) -> list[Made]:
    """Compose `request.count` pieces and write each; many are numbered out-1.mid, out-2.mid, …

    `given` are the dials of `Sampling` that are not to be the model's own.
    """
    opened = open_source(catalog, workspace, source)
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    check_name(out, tokenizer)
    if prompt is not None:
        request = replace(request, prompt=to_prompt(_encoded(tokenizer, prompt)))
    named = _canonical(catalog, runtime.manifest.conditions, request.conditions)
    sampling = settle(runtime.manifest.sampling, given, request.planned)
    request = replace(request, conditions=named, sampling=sampling)
    folded = _folded(runtime, request)
    made = []
    for composition in compose(runtime, tokenizer, request, listener):
        path = target(out, opened.name, request, composition.row, tokenizer)
        sections = write_composition(tokenizer, composition, path)
        row = catalog.add_sample(
            workspace.relative(path),
            hashlib.sha256(path.read_bytes()).hexdigest(),
            opened.digest,
            request.seed,
            {"source": _plain(source, opened.run), "row": composition.row, **request.plain()},
            opened.run,
        )
        made.append(Made(row.id, path, sections, composition, opened.name, folded))
    return made


def again(
    catalog: Catalog,
    workspace: Workspace,
    sample_id: int,
    out: Path | None = None,
    listener: Listener | None = None,
) -> list[Made]:
    """Make a sample again from its row, bit for bit on the same machine.

    Raises MusictkError where the model is not the one it came from any more.
    """
    row = catalog.sample(sample_id)
    values = dict(row.request)
    source = build(Source, values.pop("source"), "sample")
    index = int(values.pop("row"))
    opened = open_source(catalog, workspace, source)
    if opened.digest != row.bundle:
        raise MusictkError(
            f"sample {sample_id} came from other weights than {opened.name} has now",
            "train that run again from its settings: musictk runs show",
        )
    request = Request.read(values)
    tokenizer = opened.runtime.manifest.make_tokenizer()
    found = remake(opened.runtime, tokenizer, request, index, listener)
    path = out or workspace.resolve(row.path)
    sections = write_composition(tokenizer, found, path)
    return [Made(row.id, path, sections, found, opened.name, _folded(opened.runtime, request))]


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


def fresh_seed() -> int:
    """A seed that was not used before; it is kept with what it makes."""
    return secrets.randbits(31)


def _canonical(
    catalog: Catalog, known: Conditions, wanted: Mapping[str, Weighted]
) -> dict[str, Weighted]:
    """With composers under the names the model knows, where the catalog knows them by others."""
    chosen = dict(wanted)
    if "composer" in chosen:
        chosen["composer"] = tuple(
            (_known_as(catalog, known, label), weight) for label, weight in chosen["composer"]
        )
    return chosen


def _known_as(catalog: Catalog, known: Conditions, composer: str) -> str:
    if known.knows("composer", composer):
        return composer
    try:
        name = catalog.composer(composer).name
    except UnknownNameError:
        return composer
    return name if known.knows("composer", name) else composer


def _folded(runtime: Runtime, request: Request) -> tuple[str, ...]:
    known = runtime.manifest.conditions
    return tuple(
        label
        for category, weighted in request.conditions.items()
        for label, _ in weighted
        if known.id(category, label) == 1
    )


def _plain(source: Source, run: str | None) -> dict[str, Any]:
    """The source as it was resolved: a run by name, so that later runs change nothing."""
    named = replace(source, run=run) if source.bundle is None else source
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(named).items()
    }
