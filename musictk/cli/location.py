"""Where the catalog of a command is, and the file with its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musictk.cli.settings import FILE, defaults
from musictk.errors import MusictkError, UsageError
from musictk.workspace import CATALOG, Workspace, here, search

INGEST = "run: musictk ingest FOLDER"


@dataclass(frozen=True)
class CatalogLocation:
    """A catalog, and the workspace that it belongs to."""

    workspace: Workspace
    url: str
    found: bool = True  # False: none was named, and there is none in this folder or above

    def require(self) -> None:
        """Raise MusictkError if the search found no catalog."""
        if not self.found:
            raise MusictkError(f"there is no catalog in {self.workspace.root} or above it", INGEST)


@dataclass(frozen=True)
class Settings:
    """The tables of `musictk.toml`."""

    path: Path
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file as messages name it: with its folder, unless that is the current one."""
        return FILE if self.path.parent == Path.cwd() else str(self.path)


def locate(named: str) -> tuple[CatalogLocation, Settings]:
    """The catalog that was named (by a path, a URL or not at all), and the settings to use.

    The settings are those in the current directory, else those in the workspace. They may name the
    catalog too, by a path relative to their folder.
    """
    base = Path.cwd()
    place = _location(named, base)
    folder = base if (base / FILE).exists() else place.workspace.root
    settings = Settings(folder / FILE, defaults(folder / FILE))
    other = settings.tables.get("catalog")
    if not isinstance(other, str | Mapping | None):  # a table has the options of `catalog`
        raise UsageError(f"catalog={other!r} in {settings.name} is not valid", "give: text")
    if not named and isinstance(other, str) and other:
        place = _location(other, folder)
    return place, settings


def _location(named: str, base: Path) -> CatalogLocation:
    """The catalog `named` by a URL, or by the path of its file or folder, relative to `base`."""
    if "://" in named:
        return CatalogLocation(here(base), named)
    if named:
        path = Path(os.path.normpath(base / Path(named).expanduser()))
        # A path that does not exist yet is a folder, unless it looks like a file.
        is_folder = path.is_dir() or (not path.exists() and not path.suffix)
        file = path / CATALOG if is_folder else path
        return CatalogLocation(Workspace(file.parent), f"sqlite:///{file}")
    found = search(base)
    workspace = found or here(base)
    return CatalogLocation(workspace, workspace.catalog_url, found is not None)
