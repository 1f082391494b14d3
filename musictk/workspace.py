"""The workspace: the folder of the catalog and of everything made from it.

    catalog.db   shards/   runs/   exports/   prompts/

The first command creates it. Paths stored in the catalog are relative to this folder, so the whole
workspace can be moved or copied.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folder that commands work in, by default the current one."""

    root: Path

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.db"

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

    def relative(self, path: Path) -> str:
        """`path` as the catalog stores it: relative to the root, with forward slashes."""
        return Path(os.path.relpath(path.absolute(), self.root.absolute())).as_posix()

    def resolve(self, relative: str) -> Path:
        """The inverse of `relative`."""
        return self.root / relative


def here(root: Path | None = None) -> Workspace:
    """The workspace at `root`, by default the current directory."""
    return Workspace((root or Path.cwd()).absolute())
