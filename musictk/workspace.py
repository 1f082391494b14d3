"""The workspace: the folder of the catalog and of everything made from it.

    catalog.db   shards/   runs/   exports/   prompts/   cache/

`musictk ingest` creates it in the current directory; every command finds it from there or from any
folder below it. Paths that the catalog stores are relative to this folder if they are inside it,
else absolute. So the workspace can be moved or copied with the music that is inside it, and without
the music that is outside. Music that was moved is found again by its content: run `musictk ingest`
with its new folder. This is also needed if music outside the workspace was moved together with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CATALOG = "catalog.db"


@dataclass(frozen=True)
class Workspace:
    """The folder that commands work in."""

    root: Path

    @property
    def catalog(self) -> Path:
        return self.root / CATALOG

    @property
    def catalog_url(self) -> str:
        return f"sqlite:///{self.catalog}"

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    @property
    def cache(self) -> Path:
        """What is computed again if it is removed."""
        return self.root / "cache"

    def relative(self, path: Path) -> str:
        """`path` as the catalog stores it, with forward slashes.

        It is relative to the root if it is inside it, else absolute.
        """
        place = Path(os.path.normpath(path.absolute()))
        root = Path(os.path.normpath(self.root.absolute()))
        return (place.relative_to(root) if place.is_relative_to(root) else place).as_posix()

    def resolve(self, stored: str) -> Path:
        """The inverse of `relative`. Reads `../` too, as older versions stored paths outside."""
        return self.root / stored


def here(root: Path | None = None) -> Workspace:
    """The workspace at `root`, by default the current directory."""
    return Workspace((root or Path.cwd()).absolute())


def search(start: Path | None = None) -> Workspace | None:
    """The workspace of `start` (default: the current directory), or of the nearest folder above.

    None if none of these folders has a catalog.
    """
    folder = here(start).root
    candidates = map(Workspace, (folder, *folder.parents))
    # Whatever has the name counts: opening it tells what is wrong with a folder or a broken link.
    return next((one for one in candidates if os.path.lexists(one.catalog)), None)
