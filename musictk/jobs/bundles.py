"""Which model a command is about: a run's best checkpoint, an export of it, or a directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UsageError
from musictk.files import open_regular
from musictk.jobs.runs import status_of
from musictk.model.manifest import MANIFEST
from musictk.runtime import Runtime, available, choose, find_loader, load
from musictk.workspace import Workspace


@dataclass(frozen=True)
class ModelSource:
    """What the user named. Without a run or a bundle it is the newest finished run."""

    run: str | None = None
    bundle: Path | None = None
    # Of a run: the newest export of it for that runtime, by default its weights. Of a bundle: what
    # the directory has to hold, by default whatever it was made for.
    runtime: str | None = None


@dataclass(frozen=True)
class Opened:
    """A model, loaded."""

    name: str
    run: str | None
    directory: Path
    digest: str  # of its files: equal digests compose equally
    runtime: Runtime


def best_of(catalog: Catalog, workspace: Workspace, run: str | None) -> tuple[str, Path]:
    """(name, directory) of the best checkpoint of a run, or of the newest finished one."""
    name = run or catalog.newest_run().name
    if not catalog.checkpoints(name) and status_of(workspace, catalog.run(name)) == "failed":
        raise MusictkError(f"run {name!r} ended before its first checkpoint", "train it again")
    return name, workspace.resolve(catalog.checkpoint(name).path)


def open_source(
    catalog: Catalog,
    workspace: Workspace,
    source: ModelSource,
    made: str = "",
    digest: str | None = None,
) -> Opened:
    """Load what `source` means; raises MusictkError naming the command that makes it.

    Where something was `made` from files of that `digest`, no others are loaded, let alone run.
    """
    if source.bundle is not None:
        if source.run is not None:
            raise UsageError("--run and --bundle name two models", "leave one of them out")
        name, directory, engine = source.bundle.name, source.bundle, source.runtime
    else:
        name, directory = best_of(catalog, workspace, source.run)
        engine = source.runtime or "torch"
        if engine != "torch":
            directory = _export(catalog, workspace, name, engine)
    chosen = choose(directory, engine)
    found = _digest(directory)
    if digest not in (None, found):
        raise MusictkError(
            f"{made} came from other weights than {name} has now",
            "train that run again from its settings: musictk runs show",
        )
    runtime = load(directory, chosen)
    return Opened(name, None if source.bundle else name, directory, found, runtime)


def known_source(source: ModelSource) -> ModelSource:
    """A source as a sample's row keeps it, with the engine it means.

    Rows from before `--bundle` obeyed `--runtime` say "torch" of every bundle, whatever ran it.
    """
    if source.bundle is None or source.runtime in (None, *available(source.bundle)):
        return source
    return replace(source, runtime=None)


def _export(catalog: Catalog, workspace: Workspace, run: str, runtime: str) -> Path:
    """The newest export of the run for that runtime that is still there."""
    loader = find_loader(runtime)
    kinds = set()
    for row in reversed(catalog.exports(run)):
        path = workspace.resolve(row.path)
        if (path / MANIFEST).is_file():
            if row.kind.partition("-")[0] == runtime:
                return path
            kinds.add(row.kind)
    others = f", only for {' and '.join(sorted(kinds))}" if kinds else ""
    raise MusictkError(
        f"run {run} has no export for {runtime}{others}",
        loader.hint(run),
    )


def _digest(directory: Path) -> str:
    total = hashlib.sha256()
    models = [
        path for path in sorted(directory.iterdir()) if path.name.startswith(("model.", "weights."))
    ]
    for path in models:
        with open_regular(path) as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
