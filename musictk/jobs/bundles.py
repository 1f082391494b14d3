"""Find and load the model of a command: a run's best checkpoint, an export, or a bundle."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from musictk import builtin
from musictk.catalog import Catalog
from musictk.controls.missing import missing_notice
from musictk.errors import MusictkError, UsageError
from musictk.files import open_regular
from musictk.jobs.runs import status_of
from musictk.model.manifest import MANIFEST, Manifest
from musictk.runtime import Runtime, available, choose, find_loader, load
from musictk.workspace import Workspace


@dataclass(frozen=True)
class ModelSource:
    """The model that the user named.

    By default that of the newest finished run; without any, `builtin.DEFAULT`.
    """

    run: str | None = None  # its name, or that of a built-in model
    bundle: Path | None = None
    # For a run: use its newest export for this runtime, by default its weights. For a bundle: run
    # it with this runtime, by default the one it was exported for.
    runtime: str | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model, and where it came from."""

    name: str
    run: str | None  # its run in the catalog; None: a bundle, or a built-in model
    source: ModelSource  # opens the same model again, when there are newer runs and exports
    directory: Path
    digest: str  # of its model files: models with equal digests compose the same
    runtime: Runtime

    @property
    def reference_folder(self) -> Path:
        """Where the reference of its training pieces is, if it has one: see `jobs.original`."""
        return builtin.FOLDER if self.source.run in builtin.MODELS else self.directory


def best_of(catalog: Catalog | None, workspace: Workspace, run: str | None) -> tuple[str, Path]:
    """(name, directory) of the best checkpoint of a run, by default of the newest finished one.

    Without any run that is `builtin.DEFAULT`.
    """
    name = run or _newest(catalog)
    if name in builtin.MODELS:
        return name, builtin.MODELS[name].weights
    if catalog is None:
        raise UsageError(f"without a catalog there is no run {name!r}", "leave out --run")
    if not catalog.checkpoints(name) and status_of(workspace, catalog.run(name)) == "failed":
        raise MusictkError(f"run {name!r} ended before its first checkpoint", "train it again")
    return name, workspace.resolve(catalog.checkpoint(name).path)


def labels_of(
    catalog: Catalog | None, workspace: Workspace, run: str
) -> dict[str, tuple[str, ...]]:
    """Category -> the labels that the best checkpoint of a run has an embedding for.

    Empty where there is no checkpoint, or it cannot be read.
    """
    try:
        return Manifest.read(best_of(catalog, workspace, run)[1]).conditions.embedded
    except MusictkError:
        return {}


def _newest(catalog: Catalog | None) -> str:
    """The name of the newest finished run, else of `builtin.DEFAULT`."""
    run = None if catalog is None else catalog.newest_run()
    return builtin.DEFAULT.name if run is None else run.name


def open_source(
    catalog: Catalog | None,
    workspace: Workspace,
    source: ModelSource,
    made: str = "",
    digest: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> LoadedModel:
    """Load the model of `source`; raises MusictkError with the command that makes it.

    With a `digest`, which the model files had when `made` was made, no others are loaded. `notice`
    is called with the name of the export that is used if the run has several, with the controls
    whose plugins are not installed, and where there is no run, so that the built-in model is used.
    """
    if source.bundle is not None:
        if source.run is not None:
            raise UsageError("--run cannot be combined with --bundle", "leave one of them out")
        run, name, directory = None, source.bundle.name, source.bundle
        engine = source.runtime
    else:
        run, directory = best_of(catalog, workspace, source.run)
        name, engine = run, source.runtime or ("onnx" if run in builtin.MODELS else "torch")
        if source.run is None and run in builtin.MODELS and notice is not None:
            notice(f"uses the built-in model: {'no run has finished' if catalog else 'no catalog'}")
        if engine != "torch" and engine not in available(directory):
            directory = _export(catalog, workspace, name, engine, notice)
    built_in = run in builtin.MODELS
    with _reinstalling(built_in):
        chosen = choose(directory, engine)
        found = _digest(directory)
    if digest not in (None, found):
        again = f"train the run again with its settings: musictk runs show {name}"
        raise MusictkError(
            f"{made} was composed with other weights than those of {name} now",
            "use the musictk version that made it" if built_in else again,
        )
    with _reinstalling(built_in):
        runtime = load(directory, chosen)
    missing = missing_notice(runtime.manifest.controls.missing)
    if missing and notice is not None:
        notice(missing)
    named = replace(source, run=run, runtime=runtime.name)
    return LoadedModel(name, None if built_in else run, named, directory, found, runtime)


@contextmanager
def _reinstalling(built_in: bool) -> Iterator[None]:
    """Let errors of a built-in model's files say how to repair them."""
    try:
        yield
    except MusictkError as error:
        if built_in:
            error.hint = "install musictk again"
        raise


def known_source(source: ModelSource) -> ModelSource:
    """The source of a stored sample, with the runtime that made it.

    Versions in which `--bundle` ignored `--runtime` stored "torch" for every bundle.
    """
    if source.bundle is None or source.runtime in (None, *available(source.bundle)):
        return source
    return replace(source, runtime=None)


def _export(
    catalog: Catalog | None,
    workspace: Workspace,
    run: str,
    runtime: str,
    notice: Callable[[str], None] | None,
) -> Path:
    """The newest export of the run for that runtime whose files still exist."""
    if run in builtin.MODELS:
        if runtime in available(builtin.MODELS[run].onnx):
            return builtin.MODELS[run].onnx
        raise UsageError(
            f"{run} runs with onnx and torch, not {runtime}",
            f"musictk export --run {run}, then name the export with --bundle",
        )
    assert catalog is not None, "best_of finds runs in a catalog"
    loader = find_loader(runtime)
    kinds: dict[str, Path] = {}  # the newest first
    for row in reversed(catalog.exports(run)):
        path = workspace.resolve(row.path)
        if (path / MANIFEST).is_file():
            kinds.setdefault(row.kind, path)
    usable = [kind for kind in kinds if kind.partition("-")[0] == runtime]
    if len(usable) > 1 and notice is not None:
        others = " or ".join(f"--bundle {_short(kinds[kind])}" for kind in usable[1:])
        notice(f"uses the newest export, {usable[0]}; for another: {others}")
    if usable:
        return kinds[usable[0]]
    others = f", only for {' and '.join(sorted(kinds))}" if kinds else ""
    raise MusictkError(
        f"run {run} has no export for {runtime}{others}",
        loader.hint(run),
    )


def _short(path: Path) -> str:
    """A path as the user would type it: relative if it is below the current directory."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _digest(directory: Path) -> str:
    total = hashlib.sha256()
    models = [
        path for path in sorted(directory.iterdir()) if path.name.startswith(("model.", "weights."))
    ]
    for path in models:
        with open_regular(path) as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
