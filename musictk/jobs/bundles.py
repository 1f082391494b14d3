"""Find and load the model of a command: a run's best checkpoint, an export, or a bundle."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from musictk import builtin
from musictk.catalog import Catalog, Export
from musictk.controls.missing import missing_notice
from musictk.errors import MusictkError, UsageError
from musictk.files import open_regular
from musictk.jobs.runs import status_of
from musictk.model.manifest import MANIFEST, Manifest
from musictk.runtime import Runtime, available, choose, find_loader, load
from musictk.runtime.gpu import has_gpu
from musictk.workspace import Workspace


@dataclass(frozen=True)
class ModelSource:
    """The model that the user named.

    By default that of the newest finished run; without any, `builtin.DEFAULT`.
    """

    run: str | None = None  # its name, or that of a built-in model
    bundle: Path | None = None
    # For a run: use its newest export for this runtime; by default, see `_model_of`. For a bundle:
    # run it with this runtime, by default the one it was exported for.
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
    slow: bool = False  # weights in PyTorch on a CPU, where an ONNX export would be used instead

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
        run, weights = best_of(catalog, workspace, source.run)
        name = run
        if source.run is None and run in builtin.MODELS and notice is not None:
            notice(f"uses the built-in model: {'no run has finished' if catalog else 'no catalog'}")
        directory, engine = _model_of(
            catalog, workspace, run, weights, source.runtime, digest, notice
        )
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
    slow = run is not None and source.runtime is None and runtime.name == "torch" and not has_gpu()
    return LoadedModel(name, None if built_in else run, named, directory, found, runtime, slow)


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


def _model_of(
    catalog: Catalog | None,
    workspace: Workspace,
    run: str,
    weights: Path,
    runtime: str | None,
    digest: str | None,
    notice: Callable[[str], None] | None,
) -> tuple[Path, str]:
    """(directory, runtime) of the model of a run.

    By default a run is sampled from an ONNX export of its best checkpoint, which composes the same
    several times as fast; without one, or on a GPU, from its weights. See `open_source`.
    """
    if runtime is None and run in builtin.MODELS:
        runtime = "onnx"
    elif runtime is None:
        exact = None if has_gpu() else _exact_export(catalog, workspace, run)
        return (weights, "torch") if exact is None else (exact, "onnx")
    if runtime == "torch" or runtime in available(weights):
        return weights, runtime
    return _export(catalog, workspace, run, runtime, digest, notice), runtime


def _exact_export(catalog: Catalog | None, workspace: Workspace, run: str) -> Path | None:
    """The ONNX export, not rounded, of the run's best checkpoint as it is now."""
    assert catalog is not None, "best_of finds runs in a catalog"
    row = _exports(catalog, workspace, run).get("onnx")
    if row is None or row.report.get("checkpoint") != catalog.checkpoint(run).digest:
        return None
    return workspace.resolve(row.path)


def _export(
    catalog: Catalog | None,
    workspace: Workspace,
    run: str,
    runtime: str,
    digest: str | None,
    notice: Callable[[str], None] | None,
) -> Path:
    """The newest export of the run for that runtime, or the one with that digest."""
    if run in builtin.MODELS:
        if runtime in available(builtin.MODELS[run].onnx):
            return builtin.MODELS[run].onnx
        raise UsageError(
            f"{run} runs with onnx and torch, not {runtime}",
            f"musictk export --run {run}, then name the export with --bundle",
        )
    assert catalog is not None, "best_of finds runs in a catalog"
    loader = find_loader(runtime)
    rows = _exports(catalog, workspace, run)
    usable = [row for kind, row in rows.items() if kind.partition("-")[0] == runtime]
    if not usable:
        others = f", only for {' and '.join(sorted(rows))}" if rows else ""
        raise MusictkError(f"run {run} has no export for {runtime}{others}", loader.hint(run))
    paths = [workspace.resolve(row.path) for row in usable]
    if digest is not None and len(paths) > 1:
        return next((path for path in paths if _digest(path) == digest), paths[0])
    if len(usable) > 1 and notice is not None:
        others = " or ".join(f"--bundle {_short(path)}" for path in paths[1:])
        notice(f"uses the newest export, {usable[0].kind}; for another: {others}")
    made_from = usable[0].report.get("checkpoint")
    if made_from not in (None, catalog.checkpoint(run).digest) and notice is not None:
        notice(f"{_short(paths[0])} is older than the best checkpoint of {run}: export it again")
    return paths[0]


def _exports(catalog: Catalog, workspace: Workspace, run: str) -> dict[str, Export]:
    """Kind -> the newest export of the run whose files still exist; the newest kind first."""
    found: dict[str, Export] = {}
    for row in reversed(catalog.exports(run)):
        if (workspace.resolve(row.path) / MANIFEST).is_file():
            found.setdefault(row.kind, row)
    return found


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
