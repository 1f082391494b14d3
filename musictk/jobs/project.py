"""A workspace from Python: each command is a method. See docs/python.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from musictk.catalog import Catalog
from musictk.config import build
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.originality import Originality
from musictk.evaluation.reference import Baseline
from musictk.export import ExportListener, ExportReport
from musictk.files import cause
from musictk.generation.control_text import parse_controls
from musictk.ingest import IngestListener, IngestOptions, IngestReport, ingest
from musictk.jobs import (
    attribute,
    compare,
    evaluate,
    export,
    originality,
    recompose,
    sample,
    train,
)
from musictk.jobs.arguments import require_number, require_text
from musictk.jobs.attribute import Attribution
from musictk.jobs.bundles import ModelSource
from musictk.jobs.callbacks import OnProgress, OnRunProgress
from musictk.jobs.compare import RunComparison
from musictk.jobs.corpus import Corpus
from musictk.jobs.merge import NAMES
from musictk.jobs.named_music import read_named, read_score
from musictk.jobs.prepare import RunListener
from musictk.jobs.samples import SampleBatch, SampleListener, SampleRequest
from musictk.jobs.sources import Source, base_sources
from musictk.jobs.start import merge_from
from musictk.jobs.train import RunResult
from musictk.training.preset import GROUPS
from musictk.workspace import Workspace


class Project:
    """The music, runs and samples in one folder. Only `ingest` creates a catalog.

    Paths are relative to the current directory. Every method calls the function of
    `musictk.jobs` or `musictk.ingest` that the command of its name calls, and raises MusictkError
    where the command prints an error. Use it in a `with` block, or call `close`.
    """

    def __init__(self, root: str | Path = ".") -> None:
        require_text(root=root)
        self.workspace = Workspace(Path(root).absolute())
        self._catalog: Catalog | None = None

    @property
    def catalog(self) -> Catalog:
        """The open catalog. Raises MusictkError if nothing has been ingested yet."""
        if self._catalog is None and not self.workspace.catalog.exists():
            root = self.workspace.root
            raise MusictkError(f"{root} has no catalog.db", "ingest a folder of music first")
        return self._open()

    @property
    def catalog_if_any(self) -> Catalog | None:
        """The open catalog; None if nothing has been ingested yet."""
        there = self._catalog is not None or self.workspace.catalog.exists()
        return self.catalog if there else None

    @property
    def corpus(self) -> Corpus:
        """The accepted pieces, with their music, tokens and crops."""
        return Corpus(self.catalog, self.workspace)

    def ingest(
        self, *paths: str | Path, listener: IngestListener | None = None, **options: Any
    ) -> IngestReport:
        """Read folders, files and archives into the catalog; `options` are those of IngestOptions.

        Creates the folder of the project and its catalog if there is none.
        """
        require_text(path=paths)
        try:
            self.workspace.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MusictkError(
                f"cannot create the folder {self.workspace.root}: {cause(error)}",
                "choose another folder for the project",
            ) from error
        return ingest(
            self._open(),
            self.workspace,
            [Path(path) for path in paths],
            build(IngestOptions, options, "ingest"),
            listener,
        )

    def train(
        self,
        *,
        name: str | None = None,
        preset: str | None = None,
        config: str | Path | None = None,
        start: str | None = None,
        scratch: bool = False,
        device: str = "auto",
        listener: RunListener | None = None,
        **settings: Any,
    ) -> RunResult:
        """Train a new run, called `name`; `start` is a run to fine-tune, or a built-in model.

        Without `start` it starts from a built-in model as `musictk train` does, unless `scratch`.
        `settings` override those of the run, the preset and the `config` file: `arch`,
        `tokenizer`, `size`, `epochs`, `conditions`, …, any key of `--set`, and whole tables such as
        `model={"dim": 64}`. Settings that are not given are chosen as `musictk train` does.
        """
        require_text(name=name, preset=preset, config=config, start=start, device=device)
        lengths = [each for each in ("steps", "epochs", "minutes") if settings.get(each)]
        if len(lengths) > 1:
            raise UsageError(f"{' and '.join(lengths)} cannot be combined", "give one of them")
        file = None if config is None else Path(config)
        sources = [
            *base_sources(self.catalog, start, preset, file),
            Source("train", _nest(settings)),
        ]
        merged = merge_from(self.catalog, sources, scratch)
        return train.run(self.catalog, self.workspace, merged, listener, device, name)

    def resume(
        self,
        run: str | None = None,
        *,
        device: str = "auto",
        listener: RunListener | None = None,
        threads: int | None = None,
    ) -> RunResult:
        """Resume a run, by default the newest, from its last checkpoint.

        `threads` replaces the stored number, which may change the last bits of the weights.
        """
        require_text(run=run, device=device)
        return train.resume(self.catalog, self.workspace, run, listener, device, threads)

    def sample(
        self,
        out: str | Path | None = None,
        *,
        composer: str | None = None,
        labels: Mapping[str, str] | None = None,
        run: str | None = None,
        bundle: str | Path | None = None,
        runtime: str | None = None,
        listener: SampleListener | None = None,
        **request: Any,
    ) -> SampleBatch:
        """Compose pieces and write them as MIDI (or text).

        By default with the best checkpoint of the newest finished run; without any, and without a
        catalog, with the built-in model. `request` has the fields of
        `SampleRequest` (`form`, `bars`, `seed`, `count`, `prompt`, `theme`, …) and sampling options
        (`temperature`, `guidance`, …; see `musictk.generation.sampling.Sampling`). With
        `infill="mine.mid", bars="9-12"` those bars of a file are written again, and all else in it
        is kept, with `track` also the other tracks, with `keep="melody"` the highest voice; `count`
        candidates are ranked, the likeliest first. `controls` are texts as on the command line,
        for the piece, a section or bars: `["key=E minor", "B: density=high", "9-12: metre=3/4"]`.
        """
        if not isinstance(labels, Mapping | None):
            example = 'such as {"period": "Baroque"}'
            raise UsageError(f"labels={labels!r} is not a mapping of categories", example)
        require_text(out=out, run=run, bundle=bundle, runtime=runtime)
        given = {**(labels or {}), **({"composer": composer} if composer is not None else {})}
        known = {each.name for each in fields(SampleRequest)} - {"source", "labels", "options"}
        asked = {key: value for key, value in request.items() if key in known}
        for name, value in asked.items():
            if isinstance(value, PathLike):
                asked[name] = fspath(value)
            elif name in ("track", "program") and isinstance(value, Integral):
                asked[name] = str(value)  # a number is one, too
        asked["controls"] = parse_controls(asked.get("controls", ()))
        options = {key: value for key, value in request.items() if key not in known}
        folder = None if bundle is None else Path(bundle)
        asked["source"] = ModelSource(run=run, bundle=folder, runtime=runtime)
        made = build(SampleRequest, {**asked, "labels": given, "options": options}, "sample")
        path = None if out is None else Path(out)
        return sample.sample(self.catalog_if_any, self.workspace, made, path, listener)

    def repeat(
        self,
        sample_id: int,
        out: str | Path | None = None,
        *,
        listener: SampleListener | None = None,
    ) -> SampleBatch:
        """Repeat a stored sample, bit for bit on the same machine."""
        require_text(out=out)
        require_number(sample_id=sample_id)
        path = None if out is None else Path(out)
        return sample.repeat_sample(self.catalog, self.workspace, sample_id, path, listener)

    def recompose(
        self,
        sample_id: int,
        section: str,
        out: str | Path | None = None,
        *,
        seed: int | None = None,
        count: int = 1,
        listener: SampleListener | None = None,
    ) -> SampleBatch:
        """Write a section of a stored sample again, such as "B" or the second "B2"; keep the rest.

        The settings are those of the sample, with a new seed by default.
        """
        require_text(section=section, out=out)
        require_number(sample_id=sample_id, count=count)
        path = None if out is None else Path(out)
        return recompose.recompose(
            self.catalog, self.workspace, sample_id, section, path, seed, count, listener
        )

    def export(
        self, *kinds: str, run: str | None = None, listener: ExportListener | None = None
    ) -> list[ExportReport]:
        """Export a run (its best checkpoint): onnx, onnx-int8, onnx-fp16, torchscript.

        Without any run, and without a catalog, the built-in model.
        """
        require_text(**{"kind of export": kinds}, run=run)
        chosen = export.known_kinds(kinds or ("onnx",))
        return list(export.export(self.catalog_if_any, self.workspace, chosen, run, listener))

    def compare(
        self, *runs: str, split: str = "valid", progress: OnRunProgress | None = None
    ) -> RunComparison:
        """Score runs, by default all finished ones, on the pieces that none was trained on."""
        require_text(run=runs, split=split)
        return compare.compare(self.catalog, self.workspace, runs, split, progress)

    def evaluate(
        self, file: str | Path, composer: str | None = None, *, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """The statistics of a MIDI file beside those of the corpus (or of one composer)."""
        require_text(file=file, composer=composer)
        return evaluate.music(self.catalog, self.workspace, read_score(file), composer, progress)

    def originality(self, file: str | Path, *, progress: OnProgress | None = None) -> Originality:
        """The nearest training piece, and the longest passage that a MIDI file shares with any."""
        require_text(file=file)
        return evaluate.originality(self.catalog, self.workspace, read_score(file), progress)

    def human_baseline(self, notes: int, *, progress: OnProgress | None = None) -> Baseline | None:
        """What human pieces of this length share with the training pieces: the 95th percentile."""
        require_number(notes=notes)
        return originality.human_baseline(self.catalog, self.workspace, notes, progress)

    def attribute(self, file: str | Path, *, progress: OnProgress | None = None) -> Attribution:
        """The composers that a MIDI file sounds like, and how well they are recognised."""
        require_text(file=file)
        return attribute.attribute(self.catalog, self.workspace, read_named(file), progress)

    def close(self) -> None:
        """Close the catalog; the next method opens it again."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog.open(self.workspace.catalog_url, self.workspace.root)
        return self._catalog


def _nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a source has them: those without a group are in the table ""."""
    known = {*NAMES, *GROUPS}
    loose = {key: value for key, value in settings.items() if key not in known}
    return {**{key: value for key, value in settings.items() if key in known}, "": loose}
