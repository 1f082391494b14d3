"""Which model a command is about: a run's best checkpoint, an export of it, or a directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.files import open_regular
from musictk.model.manifest import MANIFEST
from musictk.runtime import EngineName, Runtime, load
from musictk.workspace import Workspace


@dataclass(frozen=True)
class Source:
    """What the user named. Without a run or a bundle it is the newest finished run."""

    run: str | None = None
    bundle: Path | None = None
    runtime: str = "torch"  # with a run: the newest export of it for that runtime


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
    return name, workspace.resolve(catalog.checkpoint(name).path)


def open_source(catalog: Catalog, workspace: Workspace, source: Source) -> Opened:
    """Load what `source` means; raises MusictkError naming the command that makes it."""
    if source.bundle is not None:
        return _opened(source.bundle.name, None, source.bundle, None)
    name, directory = best_of(catalog, workspace, source.run)
    if source.runtime != "torch":
        directory = _export(catalog, workspace, name, source.runtime) or directory
    return _opened(name, name, directory, source.runtime)


def _opened(name: str, run: str | None, directory: Path, engine: str | None) -> Opened:
    runtime = load(directory, cast("EngineName | None", engine))
    return Opened(name, run, directory, _digest(directory), runtime)


def _export(catalog: Catalog, workspace: Workspace, run: str, runtime: str) -> Path | None:
    """The newest export of the run for that runtime that is still there."""
    for row in reversed(catalog.exports(run)):
        path = workspace.resolve(row.path)
        if row.kind.startswith(runtime) and (path / MANIFEST).is_file():
            return path
    return None


def _digest(directory: Path) -> str:
    total = hashlib.sha256()
    models = [
        path for path in sorted(directory.iterdir()) if path.name.startswith(("model.", "weights."))
    ]
    if not models:
        raise MusictkError(f"{directory} holds no model", "name a run, an export or a bundle")
    for path in models:
        with open_regular(path) as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
